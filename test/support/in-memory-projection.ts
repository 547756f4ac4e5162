import { BucketDigests } from "../../src/domain/buckets.ts";
import { checksumOf, embeddingBytes, entryDigest } from "../../src/domain/checksum.ts";
import { AbortedError, StoreUnavailableError } from "../../src/domain/errors.ts";
import { bucketOf, keyText, type MemoryKey } from "../../src/domain/keys.ts";
import type { MemoryChange, PutChange } from "../../src/domain/memory.ts";
import type { StoreId } from "../../src/domain/store-id.ts";
import { isTimeout } from "../../src/runtime/deadline.ts";
import type {
  LiveEntry,
  PreparedBatch,
  Projection,
  ProjectionHealth,
  Replacement,
  ScanOptions,
  ScanPage,
  StoredEntry,
} from "../../src/stores/projection.ts";
import { type ProjectionTraits, wantedChange } from "../../src/stores/traits.ts";
import { FAISS_TRAITS, REDIS_TRAITS } from "./store-traits.ts";

/** Called before each operation takes effect, and before its answer is given: there a test may wait, or throw. */
export type Interruption = (operation: string) => Promise<void>;

/** By key text. */
export type EntryMap = Map<string, Exclude<StoredEntry, { state: "malformed" }>>;

/** A projection in a map, for property tests. Passes the conformance suite of the real ones. */
export class InMemoryProjection implements Projection {
  readonly id: StoreId;
  readonly traits: ProjectionTraits;
  publishesUnprepared = false;
  readonly entries: EntryMap;
  readonly prepared = new Set<string>();
  readonly #interrupt: Interruption;

  /** @param entries what the store holds: several nodes' views of one store share it. */
  constructor(store: StoreId, interrupt: Interruption = async () => undefined, entries: EntryMap = new Map()) {
    this.id = store;
    this.traits = store === "faiss" ? FAISS_TRAITS : REDIS_TRAITS;
    this.entries = entries;
    this.#interrupt = interrupt;
  }

  async prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void> {
    await this.#operation("prepare", signal, () => this.prepared.add(batch.token));
  }

  async publish(
    changes: readonly MemoryChange[],
    signal: AbortSignal,
    token?: string,
  ): Promise<("applied" | "stale")[]> {
    return await this.#operation("publish", signal, () => {
      if (token !== undefined) this.prepared.delete(token);
      return changes.map((change) => {
        const held = this.entries.get(keyText(change));
        if (held !== undefined && held.version >= change.version) return "stale";
        this.#put(change);
        return "applied";
      });
    });
  }

  async discard(token: string, signal: AbortSignal): Promise<void> {
    await this.#operation("discard", signal, () => this.prepared.delete(token));
  }

  async read(
    keys: readonly MemoryKey[],
    options: { data: boolean },
    signal: AbortSignal,
  ): Promise<(StoredEntry | null)[]> {
    return await this.#operation("read", signal, () => keys.map((key) => this.#entry(keyText(key), options.data)));
  }

  async scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage> {
    const { limit = 1_000, buckets } = options;
    return await this.#operation("scan", signal, () => {
      const texts = [...this.entries.keys()].sort();
      const rest = cursor === null ? texts : texts.filter((text) => text > cursor);
      const page = rest.slice(0, limit);
      const entries = page.flatMap((text) => this.#entry(text, false) ?? []);
      return {
        entries: entries.filter((entry) => buckets === undefined || buckets.has(bucketOf(entry))),
        cursor: page.length < rest.length ? (page.at(-1) ?? null) : null,
      };
    });
  }

  async digest(signal: AbortSignal): Promise<BucketDigests> {
    return await this.#operation("digest", signal, () => {
      const digests = new BucketDigests();
      for (const entry of this.entries.values()) {
        if (entry.state === "live") digests.addHex(bucketOf(entry), entryDigest(entry, entry.version, entry.checksum));
      }
      return digests;
    });
  }

  async count(signal: AbortSignal): Promise<number> {
    return await this.#operation("count", signal, () => [...this.entries.values()].filter(isLive).length);
  }

  flaw(entry: LiveEntry, expected: PutChange): string | null {
    const { documentJson = null, embedding = null } = entry.data ?? {};
    if (this.id === "redis") {
      const sound = documentJson !== null && checksumOf(documentJson, embedding) === entry.checksum;
      return sound ? null : "the data does not fit the checksum";
    }
    const same = expected.embedding !== null && embedding?.equals(embeddingBytes(expected.embedding)) === true;
    return same ? null : "the vector is another one";
  }

  async replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]> {
    return await this.#operation("replace", signal, () =>
      replacements.map(({ key, found, change }) => {
        if (!sameEntry(this.#entry(keyText(key), false), found)) return "moved";
        if (change === null) this.entries.delete(keyText(key));
        else this.#put(change);
        return "applied";
      }),
    );
  }

  async health(): Promise<ProjectionHealth> {
    try {
      await this.#interrupt(`${this.id} health`);
      return { state: "healthy" };
    } catch (error) {
      return { state: "down", reason: (error as Error).message };
    }
  }

  async #operation<T>(name: string, signal: AbortSignal, work: () => T): Promise<T> {
    if (signal.aborted) {
      const options = { cause: signal.reason };
      if (isTimeout(signal)) throw new StoreUnavailableError(this.id, "no answer before the deadline", options);
      throw new AbortedError(`a call to ${this.id}`, options);
    }
    await this.#interrupt(`${this.id} ${name}`);
    const result = work();
    await this.#interrupt(`${this.id} ${name} answered`);
    return result;
  }

  #put(change: MemoryChange): void {
    const { namespace, memoryId, version } = change;
    const text = keyText(change);
    if (change.kind === "tombstone" || wantedChange(this.traits, change) === null) {
      this.entries.set(text, { state: "tombstone", namespace, memoryId, version });
      return;
    }
    const keepsDocuments = this.id === "redis";
    this.entries.set(text, {
      state: "live",
      namespace,
      memoryId,
      version,
      checksum: change.checksum,
      modifiedAt: keepsDocuments ? change.modifiedAt : null,
      data: {
        documentJson: keepsDocuments ? Buffer.from(change.documentJson) : null,
        embedding: change.embedding === null ? null : Buffer.from(embeddingBytes(change.embedding)),
        versionVector: keepsDocuments ? JSON.stringify(change.versionVector) : null,
      },
    });
  }

  #entry(text: string, withData: boolean): StoredEntry | null {
    const entry = this.entries.get(text);
    if (entry === undefined) return null;
    if (entry.state === "tombstone" || withData) return entry;
    const { data: _, ...header } = entry;
    return header;
  }
}

function isLive(entry: StoredEntry): boolean {
  return entry.state === "live";
}

function sameEntry(held: StoredEntry | null, found: StoredEntry | null): boolean {
  if (held === null || found === null) return held === found;
  if (held.state !== found.state || held.state === "malformed" || found.state === "malformed") return false;
  if (held.version !== found.version) return false;
  return held.state === "tombstone" || (found.state === "live" && held.checksum === found.checksum);
}
