import {
  bucketOf,
  checksumOf,
  keyText,
  type LiveEntry,
  type MemoryChange,
  type ProjectionTraits,
  type StoredEntry,
  StoreRefusedError,
  StoreUnavailableError,
} from "mnemosync/stores";
import { KeywordStore } from "../../examples/keyword-store.ts";

/**
 * A store of the tests' own, registered from outside: the example's keyword index, which can be unplugged, and whose
 * contents can be damaged behind the program's back. No line of `src` knows its id.
 */
export class OwnStore extends KeywordStore {
  #unplugged = false;
  /** Calls of `publish`, also of those that failed. */
  publishes = 0;

  /** From now on every call fails, as that of a server that is away. */
  unplug(): void {
    this.#unplugged = true;
  }

  plugIn(): void {
    this.#unplugged = false;
  }

  override async publish(changes: readonly MemoryChange[], signal: AbortSignal) {
    this.publishes++;
    return await super.publish(changes, signal);
  }

  /** Malformed entries count too: their bucket must differ from the ledger's. */
  override async digest(signal: AbortSignal) {
    const digests = await super.digest(signal);
    for (const entry of this.#raw.values()) if (entry.state === "malformed") digests.add(bucketOf(entry), 0, 0);
    return digests;
  }

  entry(memoryId: string): StoredEntry | undefined {
    return this.#raw.get(keyText({ namespace: "default", memoryId }));
  }

  live(memoryId: string): LiveEntry {
    const entry = this.entry(memoryId);
    if (entry?.state !== "live") throw new Error(`${memoryId} is ${entry?.state ?? "nothing"} in the store`);
    return entry;
  }

  /** Puts an entry in place, whatever stood there, as no call of the contract would. */
  forge(entry: StoredEntry): void {
    this.#raw.set(keyText(entry), entry);
  }

  lose(memoryId: string): void {
    this.#raw.delete(keyText({ namespace: "default", memoryId }));
  }

  protected override async answer(signal: AbortSignal): Promise<void> {
    if (this.#unplugged) throw new StoreUnavailableError(this.id, "unplugged");
    await super.answer(signal);
  }

  /** The example's own map, which a test may put anything into. */
  get #raw(): Map<string, StoredEntry> {
    return this.entries as Map<string, StoredEntry>;
  }
}

/** Takes vectors of one shape only, and refuses others, as an index does. */
export class ShapedStore extends OwnStore {
  override readonly traits: ProjectionTraits = {
    scope: "shared",
    holds: new Set(["documents"]),
    vectorShape: { dimension: 8, model: "mnemosync-hash-v1-8" },
  };

  override async publish(changes: readonly MemoryChange[], signal: AbortSignal) {
    const misfit = changes.find((change) => change.kind === "put" && (change.embedding?.length ?? 8) !== 8);
    if (misfit !== undefined)
      throw new StoreRefusedError(this.id, `the vector of ${misfit.memoryId} has another length`);
    return await super.publish(changes, signal);
  }
}

/** A store of one node, which keeps no cursor: the node's follower brings it up to date. */
export class NodeStore extends OwnStore {
  constructor() {
    super("node");
  }
}

/** Another content for an entry, well formed: the checksum fits the words. */
export function withContent(entry: LiveEntry, content: string, more: Partial<LiveEntry> = {}): LiveEntry {
  const document = JSON.parse(entry.data?.documentJson?.toString() ?? "{}") as object;
  const sorted = Object.entries({ ...document, content }).sort(([a], [b]) => (a < b ? -1 : 1));
  const documentJson = Buffer.from(JSON.stringify(Object.fromEntries(sorted)));
  const versionVector = entry.data?.versionVector ?? null;
  const data = { documentJson, embedding: null, versionVector };
  return { ...entry, checksum: checksumOf(documentJson, null), data, ...more };
}
