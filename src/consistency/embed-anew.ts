import { keyText, plainKey } from "../memory/keys.ts";
import type { MemoryDocument } from "../memory/memory.ts";
import { LEDGER_WINS, storeEvidence } from "./evidence.ts";
import { foreignReason } from "./foreign.ts";
import {
  deferred,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
} from "./repair-options.ts";
import type { Finding } from "./report.ts";
import { isSound, MOVED, readSides } from "./republish.ts";
import { bringUpToDate } from "./resolve-conflicts.ts";

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
  const index = parts.projections.find(({ store }) => store === "faiss");
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
  const verdicts: Verdict[] = [];
  for (const [position, document] of documents.entries()) {
    if (!("content" in document)) {
      verdicts.push(document);
      continue;
    }
    const finding = findings[position] as Finding;
    const { change, entry } = sides[position] as (typeof sides)[number];
    const { embeddingModel: _, ...rest } = document;
    const memory = validator.encode(validator.validate({ ...rest, ...plainKey(finding) }), {
      embedding: vectors[next++] as Float32Array,
      model: embedder.model,
    });
    const stamp = { strategy: LEDGER_WINS, pendingBecause: null };
    const [id] = await records.keepEvidence([storeEvidence(finding, entry, change, stamp)], signal);
    const intent = { key: plainKey(finding), memory, expectedVersion: finding.expectedVersion, modifiedAt: null };
    const outcome = await parts.write(intent, signal);
    const wrote = outcome.status !== "conflict" && outcome.status !== "failed";
    const difference = wrote ? (await bringUpToDate(parts, [finding], step)).get(keyText(finding)) : undefined;
    const verdict = !wrote
      ? deferred(outcome.error?.message ?? MOVED)
      : difference === undefined
        ? repaired(note)
        : deferred(difference);
    await records.settleEvidence(
      [{ id: id as string, state: wrote ? "resolved" : "failed", resolution: verdict.note }],
      signal,
    );
    verdicts.push(verdict);
  }
  return verdicts;
}
