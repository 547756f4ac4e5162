import { differences } from "../../conflict/differences.ts";
import { embeddingFromBytes } from "../../domain/checksum.ts";
import { type MnemosyncError, StoreUnavailableError } from "../../domain/errors.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import { parseVector } from "../../domain/version-vector.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import { untilAborted, withDeadline } from "../../runtime/deadline.ts";
import type { Eviction, LiveEntry, Projection, StoredEntry } from "../../stores/projection.ts";
import { countsAgainstStore } from "../../write/store-gate.ts";
import { entryDrift, isMiss } from "../check/entry-drift.ts";
import { CONFLICT_KINDS } from "../check/report.ts";
import { isCopied, soundCopy } from "../reconcile/candidates.ts";
import { isSound, rowOf } from "../reconcile/sides.ts";
import { parsedDocument } from "../repair/pending-conflicts.ts";
import type { MemoryCopies, MemoryCopy } from "./memory-copy.ts";

export interface CopyReaderParts {
  readonly ledger: Pick<LedgerStore, "readChanges" | "readErasedKeys">;
  /** In the order of registration. */
  readonly projections: readonly Projection[];
  readonly validator: MemoryValidator;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface CopyReadOptions {
  /** Told of the bytes that the copies hold, before they are compared. An error that it throws ends the call. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Milliseconds that a store has for its copy: one that hangs does not keep the others' from their reader. */
const STORE_TIMEOUT_MS = 5_000;

/** A store's answer. */
interface Answer {
  readonly projection: Projection;
  readonly entry: StoredEntry | null;
  readonly eviction: Eviction;
  readonly error: MnemosyncError | null;
}

/** The ledger's side. */
interface Known {
  readonly change: MemoryChange | null;
  readonly isErased: boolean;
  readonly copy: MemoryCopy;
}

type Content = Pick<
  MemoryCopy,
  "version" | "checksum" | "document" | "raw" | "embedding" | "versionVector" | "modifiedAt"
>;

const NO_CONTENT: Content = {
  version: null,
  checksum: null,
  document: null,
  raw: null,
  embedding: null,
  versionVector: null,
  modifiedAt: null,
};
const NOTHING_TOLD = { drift: null, note: null, differences: null, error: null } as const;
const ERASED = "the memory was erased: no content that a store still holds is shown";

/** Reads the copy of one memory in each store. Changes nothing, and takes no lock. */
export class CopyReader {
  readonly #parts: CopyReaderParts;

  constructor(parts: CopyReaderParts) {
    this.#parts = parts;
  }

  /** @throws {StoreUnavailableError} The ledger gave no answer. Of another store its copy says so. */
  async read(key: MemoryKey, { onBytes }: CopyReadOptions, signal: AbortSignal): Promise<MemoryCopies> {
    const { ledger, projections } = this.#parts;
    // The stores before the ledger: what a correct store shows was committed by then, so no write makes it look ahead.
    const answers = await Promise.all(projections.map((projection) => ask(projection, key, signal)));
    const [changes, erased] = await Promise.all([
      ledger.readChanges([key], signal),
      ledger.readErasedKeys([key], signal),
    ]);
    const change = changes.get(keyText(key)) ?? null;
    onBytes?.(answers.reduce((sum, { entry }) => sum + entryBytes(entry), changeBytes(change)));
    const isErased = erased.length > 0;
    const known: Known = { change, isErased, copy: ledgerCopy(change, isErased) };
    return { ...plainKey(key), copies: [known.copy, ...answers.map((answer) => this.#copy(answer, known))] };
  }

  #copy({ projection, entry, eviction, error }: Answer, known: Known): MemoryCopy {
    const { id: store, traits } = projection;
    const common = { store, scope: traits.scope, holds: [...traits.holds], ...NOTHING_TOLD };
    if (error !== null) return { ...common, ...NO_CONTENT, state: "unanswered", error };
    const { change, isErased } = known;
    const isFlawed = !isSound(change);
    const view = { row: rowOf(change), entry, expected: change ?? undefined, isFlawed, eviction };
    const drift = entryDrift(projection, view, this.#parts.now());
    if (isMiss(drift)) {
      const found = entry?.state === "malformed" ? `${entry.reason}: ` : "the store may leave memories out: ";
      const note = `${found}a cache miss, no drift`;
      return { ...common, ...NO_CONTENT, state: entry?.state ?? "nothing", note };
    }
    const told = { ...common, drift: drift && { kind: drift.kind, evidence: drift.evidence } };
    if (entry === null) return { ...told, ...NO_CONTENT, state: "nothing" };
    if (entry.state === "tombstone") return { ...told, ...NO_CONTENT, state: "tombstone", version: entry.version };
    if (entry.state === "malformed") {
      const raw = isErased ? null : (entry.raw?.toString() ?? null);
      return { ...told, ...NO_CONTENT, state: "malformed", raw, note: isErased ? ERASED : entry.reason };
    }
    const facts = { version: entry.version, checksum: entry.checksum, modifiedAt: entry.modifiedAt };
    const withheld = isErased ? ERASED : isCopied(entry, change) ? COPIED : null;
    if (withheld !== null) return { ...told, ...NO_CONTENT, ...facts, state: "live", note: withheld };
    const content = { ...facts, ...contentOf(entry) };
    return {
      ...told,
      ...content,
      state: "live",
      note: this.#noteOf(projection, entry, change, drift !== null && CONFLICT_KINDS.has(drift.kind)),
      differences: differencesOf(projection, known.copy, content),
    };
  }

  /** Why a copy has no content, or cannot win over the ledger's; null: there is no reason. */
  #noteOf({ id, traits }: Projection, entry: LiveEntry, change: MemoryChange | null, competes: boolean): string | null {
    if (!traits.holds.has("documents")) {
      return competes
        ? "it holds vectors and no contents: a vector alone never wins"
        : "it holds vectors and no contents";
    }
    if (!competes) return null;
    const sound = soundCopy(id, entry, change, this.#parts.validator);
    return typeof sound === "string" ? `it cannot win over the ledger's content: ${sound}` : null;
  }
}

const COPIED = "its digest does not fit its key, so it was copied from another memory: its content is not shown here";

async function ask(projection: Projection, key: MemoryKey, signal: AbortSignal): Promise<Answer> {
  let deadline: AbortSignal | undefined;
  try {
    return await withDeadline(STORE_TIMEOUT_MS, signal, async (within) => {
      deadline = within;
      const asked = Promise.all([projection.read([key], { data: true }, within), projection.eviction?.(within)]);
      const [[entry = null], eviction = "none"] = await untilAborted(asked, within);
      return { projection, entry, eviction, error: null };
    });
  } catch (error) {
    signal.throwIfAborted();
    const unanswered = { projection, entry: null, eviction: "none" } as const;
    if (countsAgainstStore(error)) return { ...unanswered, error };
    if (!deadline?.aborted) throw error;
    const message = `no answer within ${STORE_TIMEOUT_MS} ms`;
    return { ...unanswered, error: new StoreUnavailableError(projection.id, message, { cause: error }) };
  }
}

function ledgerCopy(change: MemoryChange | null, isErased: boolean): MemoryCopy {
  const common = { store: LEDGER_ID, scope: "shared", holds: ["documents", "vectors"], ...NOTHING_TOLD } as const;
  if (change === null)
    return { ...common, ...NO_CONTENT, state: "nothing", note: "the ledger does not know the memory" };
  const { version, modifiedAt } = change;
  if (change.kind === "tombstone") {
    return { ...common, ...NO_CONTENT, state: "tombstone", version, modifiedAt, note: isErased ? ERASED : null };
  }
  const { checksum, embedding, versionVector } = change;
  const document = parsedDocument(change.documentJson);
  const evidence = "the data does not fit the checksum";
  const content = { version, checksum, document, embedding, versionVector, modifiedAt };
  return {
    ...common,
    ...NO_CONTENT,
    ...content,
    state: "live",
    drift: isSound(change) ? null : { kind: "corrupt", evidence },
  };
}

function contentOf({ data }: LiveEntry): Omit<Content, "version" | "checksum" | "modifiedAt"> {
  const text = data?.documentJson?.toString() ?? null;
  const document = text === null ? null : parsedDocument(text);
  return {
    document,
    raw: document === null ? text : null,
    embedding: data?.embedding == null ? null : embeddingFromBytes(data.embedding),
    versionVector: data?.versionVector == null ? null : parseVector(data.versionVector),
  };
}

function differencesOf({ traits }: Projection, ledger: MemoryCopy, { document, embedding }: Content) {
  if (document === null) return null;
  // A store that is set up to hold no vectors leaves them to the ledger.
  const own = traits.holds.has("vectors") ? embedding : ledger.embedding;
  return differences(ledger, { document, embedding: own });
}

function entryBytes(entry: StoredEntry | null): number {
  if (entry?.state === "malformed") return entry.raw?.length ?? 0;
  if (entry?.state !== "live") return 0;
  return (entry.data?.documentJson?.length ?? 0) + (entry.data?.embedding?.length ?? 0);
}

function changeBytes(change: MemoryChange | null): number {
  return change?.kind === "put" ? change.documentJson.length + (change.embedding?.byteLength ?? 0) : 0;
}
