import { keyText, plainKey } from "../../domain/keys.ts";
import type { EncodedMemory, MemoryDocument } from "../../domain/memory.ts";
import type { Embedder } from "../../embed/embedder.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { Projection } from "../../stores/projection.ts";
import { foreignTo, type VectorShape } from "../../stores/traits.ts";
import type { Finding } from "../check/report.ts";
import { storeEvidence, withEvidence } from "../reconcile/evidence.ts";
import { isSound, MOVED, readSides, type Sides } from "../reconcile/sides.ts";
import { bringUpToDate } from "./bring-up-to-date.ts";
import {
  deferred,
  endingOf,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
  type Verdicts,
} from "./repair-options.ts";

const NO_EMBEDDER =
  "publishing it again cannot help, since the ledger's own vector is of another model or dimension: set up an embedder " +
  "of the index's model, or write the memory anew with a vector of it";

type EmbedParts = Pick<RepairerParts, "ledger" | "records" | "projections" | "embedder" | "validator" | "write">;

/** A memory with its new vector. */
interface Embedded {
  readonly finding: Finding;
  readonly memory: EncodedMemory;
}

/** Gives memories whose vector the projection cannot hold a new vector, as a new version. */
export async function embedAnew(
  parts: EmbedParts,
  projection: Projection,
  findings: readonly Finding[],
  { dryRun, signal }: RepairStep,
): Promise<Verdicts> {
  const { embedder, records } = parts;
  const verdicts: Verdicts = new Map();
  if (embedder === null || !fits(embedder, projection.traits.vectorShape)) {
    return new Map(findings.map((finding) => [finding, failed(NO_EMBEDDER)]));
  }
  const note = `embedded anew by ${embedder.model}`;
  const wanted: { finding: Finding; document: MemoryDocument; evidence: readonly EvidenceRecord[] }[] = [];
  for (const { item: finding, ...sides } of await readSides(parts, projection, findings, signal)) {
    const document = documentOf(projection, finding, sides);
    if ("outcome" in document) verdicts.set(finding, document);
    else if (dryRun) verdicts.set(finding, planned(note));
    else wanted.push({ finding, document, evidence: [storeEvidence(finding, sides.entry, sides.change)] });
  }
  if (wanted.length === 0) return verdicts;
  const vectors = await embedder.embed(
    wanted.map(({ document }) => document.content),
    signal,
  );
  const work = wanted.map(({ finding, document: { embeddingModel: _, ...document }, evidence }, index) => {
    const { validator } = parts;
    const memory = validator.encode(validator.validate({ ...document, ...plainKey(finding) }), {
      embedding: vectors[index] as Float32Array, // One per text.
      model: embedder.model,
    });
    return { item: { finding, memory }, evidence };
  });
  const written = await withEvidence(records, work, (items) => write(parts, items, note, signal), endingOf, signal);
  const done = [...written].flatMap(([{ finding }, { outcome }]) => (outcome === "repaired" ? [finding] : []));
  // The ledger has the new vector either way; the next check finds a store that still lacks it.
  const differences = await bringUpToDate(parts, done, { signal });
  for (const [{ finding }, verdict] of written) {
    const difference = differences.get(keyText(finding));
    verdicts.set(finding, difference === undefined ? verdict : deferred(difference));
  }
  return verdicts;
}

function fits({ model, dimension }: Embedder, shape: VectorShape | undefined): boolean {
  if (shape === undefined) return false;
  return (shape.model ?? model) === model && (shape.dimension ?? dimension) === dimension;
}

/** The document to embed, or why there is none. */
function documentOf(projection: Projection, finding: Finding, { change }: Sides): MemoryDocument | Verdict {
  if (change?.kind !== "put" || change.version !== finding.expectedVersion) return deferred(MOVED);
  if (!isSound(change)) return failed("the ledger's own data is damaged: nothing sound to embed");
  if (foreignTo(projection.traits, change) === null) return deferred(MOVED);
  const document = JSON.parse(change.documentJson) as MemoryDocument;
  return document.content === "" ? failed("it has no text to embed") : document;
}

async function write(
  parts: EmbedParts,
  items: readonly Embedded[],
  note: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<Embedded, Verdict>> {
  const verdicts = items.map(async (item): Promise<[Embedded, Verdict]> => {
    const { finding, memory } = item;
    const intent = { key: plainKey(finding), memory, expectedVersion: finding.expectedVersion, modifiedAt: null };
    const { status, error } = await parts.write(intent, signal);
    const isWritten = status !== "conflict" && status !== "failed";
    return [item, isWritten ? repaired(note) : deferred(error?.message ?? MOVED)];
  });
  return new Map(await Promise.all(verdicts));
}
