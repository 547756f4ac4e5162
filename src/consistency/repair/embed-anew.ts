import { foreignReason } from "../../domain/foreign.ts";
import { keyText, plainKey } from "../../domain/keys.ts";
import type { EncodedMemory, MemoryDocument } from "../../domain/memory.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { Finding } from "../check/report.ts";
import { bringUpToDate } from "./bring-up-to-date.ts";
import { LEDGER_WINS, storeEvidence } from "./evidence.ts";
import {
  deferred,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
} from "./repair-options.ts";
import { isSound, MOVED, readSides } from "./republish.ts";

const NO_EMBEDDER =
  "publishing it again cannot help, since the ledger's own vector is of another model or dimension: set up an embedder " +
  "of the index's model, or write the memory anew with a vector of it";

/** Gives memories whose vector the index cannot hold a new one, of the index's model, as a new version. */
export async function embedAnew(
  parts: RepairerParts,
  findings: readonly Finding[],
  step: RepairStep,
): Promise<Verdict[]> {
  const { embedder, indexShape, validator, records } = parts;
  const { signal } = step;
  const index = parts.projections.find(({ id: store }) => store === "faiss");
  const fits =
    embedder !== null &&
    (indexShape.model === undefined || indexShape.model === embedder.model) &&
    (indexShape.dimension === undefined || indexShape.dimension === embedder.dimension);
  if (embedder === null || !fits || index === undefined) return findings.map(() => failed(NO_EMBEDDER));
  const sides = await readSides(parts, index, findings, signal);
  const documents = findings.map((finding, position): MemoryDocument | Verdict => {
    const change = sides[position]?.change ?? null;
    if (change?.kind !== "put" || change.version !== finding.expectedVersion) return deferred(MOVED);
    if (!isSound(change)) return failed("the ledger's own data is damaged: nothing sound to embed");
    if (foreignReason(indexShape, change) === null) return deferred(MOVED);
    const document = JSON.parse(change.documentJson) as MemoryDocument;
    return document.content === "" ? failed("it has no text to embed") : document;
  });
  const texts = documents.flatMap((document) => ("content" in document ? [document.content] : []));
  const note = `embedded anew by ${embedder.model}`;
  if (step.dryRun) return documents.map((document) => ("content" in document ? planned(note) : document));
  const vectors = texts.length === 0 ? [] : await embedder.embed(texts, signal);
  let next = 0;
  const verdicts = new Map<Finding, Verdict>();
  const work: { finding: Finding; memory: EncodedMemory; evidence: EvidenceRecord }[] = [];
  for (const [position, document] of documents.entries()) {
    const finding = findings[position] as Finding;
    if (!("content" in document)) {
      verdicts.set(finding, document);
      continue;
    }
    const { change, entry } = sides[position] as (typeof sides)[number];
    const { embeddingModel: _, ...rest } = document;
    const memory = validator.encode(validator.validate({ ...rest, ...plainKey(finding) }), {
      embedding: vectors[next++] as Float32Array,
      model: embedder.model,
    });
    const stamp = { strategy: LEDGER_WINS, pendingBecause: null };
    work.push({ finding, memory, evidence: storeEvidence(finding, entry, change, stamp) });
  }
  if (work.length === 0) return findings.map((finding) => verdicts.get(finding) as Verdict);
  const ids = await records.keepEvidence(
    work.map(({ evidence }) => evidence),
    signal,
  );
  const outcomes = await Promise.all(
    work.map(({ finding, memory }) => {
      const intent = { key: plainKey(finding), memory, expectedVersion: finding.expectedVersion, modifiedAt: null };
      return parts.write(intent, signal);
    }),
  );
  const wrote = outcomes.map(({ status }) => status !== "conflict" && status !== "failed");
  const written = work.filter((_, index) => wrote[index]).map(({ finding }) => finding);
  const differences = await bringUpToDate(parts, written, step);
  const endings = work.map(({ finding }, index) => {
    const difference = differences.get(keyText(finding));
    const verdict = !wrote[index]
      ? deferred(outcomes[index]?.error?.message ?? MOVED)
      : difference === undefined
        ? repaired(note)
        : deferred(difference);
    verdicts.set(finding, verdict);
    const state = wrote[index] ? ("resolved" as const) : ("failed" as const);
    return { id: ids[index] as string, state, resolution: verdict.note };
  });
  await records.settleEvidence(endings, signal);
  return findings.map((finding) => verdicts.get(finding) as Verdict);
}
