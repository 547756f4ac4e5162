import { AbortedError, ConfigurationError, InternalError, type MnemosyncError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { Memory, PutChange } from "../domain/memory.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import type { StoredEntry } from "../stores/projection.ts";
import type { VectorHit, VectorIndex } from "../stores/vector-index.ts";
import type { StoreGate } from "../write/store-gate.ts";
import { type DisprovedEntries, provenVersion } from "./disproved-entries.ts";
import { cachedMemory, ledgerMemory } from "./memory.ts";
import type { VersionFloors } from "./version-floors.ts";

/** Hits that the index is asked for at most, however many of them a filter refuses. */
const HITS_MAX = 100_000;
/** Memories that are read at a time, to apply the filter. */
const READ_MAX = 1_000;

/** A memory that a search found. */
export interface SearchResult<Metadata extends object = JsonObject> {
  readonly memory: Memory<Metadata>;
  /**
   * Higher is nearer. cosine: the cosine of the angle, -1 … 1; ip: the inner product; l2: minus the Euclidean distance.
   */
  readonly score: number;
}

export interface ReaderParts {
  readonly ledger: LedgerStore;
  /** Asked before the ledger; null: the ledger alone answers. */
  readonly cache: StoreGate | null;
  /** False while the cache may have gone back: then the ledger is asked. @default always */
  readonly isCacheTrusted?: () => boolean;
  readonly vectorIndex: StoreGate<VectorIndex> | null;
  readonly floors: VersionFloors;
  readonly disproved: DisprovedEntries;
  readonly log: Log;
  /** Milliseconds that the cache is given before the ledger is asked. */
  readonly cacheTimeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Reads from the cache (Redis). Memories that the cache lacks, or whose bytes do not fit their checksum, are read from the
 * ledger. A read never shows a memory that is deleted, expired or altered.
 */
export class Reader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** A memory; null where there is none. */
  async getOne(key: MemoryKey, signal: AbortSignal): Promise<Memory | null> {
    const keys = [key];
    const [entry = null] = await this.#fromCache(keys, signal);
    const cached = entry === null ? undefined : this.#accept(entry);
    const memory = cached === undefined ? ((await this.#fromLedger(keys, signal))[0] ?? null) : cached;
    return memory === null || this.#isExpired(memory) ? null : memory;
  }

  /** As `getOne`, from the ledger: never older than the last commit before this call. */
  async getCommitted(key: MemoryKey, signal: AbortSignal): Promise<Memory | null> {
    const [memory = null] = await this.#fromLedger([key], signal);
    return memory === null || this.#isExpired(memory) ? null : memory;
  }

  /** The memories of `keys`, in order; null where there is none. */
  async get(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(Memory | null)[]> {
    return await this.#getEach(keys, ledgerMemory, signal);
  }

  /** @param read makes the memory of what the ledger holds. */
  async #getEach(
    keys: readonly MemoryKey[],
    read: (change: PutChange) => Memory | null,
    signal: AbortSignal,
  ): Promise<(Memory | null)[]> {
    const cached = await this.#fromCache(keys, signal);
    const found = new Map<string, Memory | null>();
    const missing: MemoryKey[] = [];
    keys.forEach((key, index) => {
      const entry = cached[index] ?? null;
      const memory = entry === null ? undefined : this.#accept(entry);
      if (memory === undefined) missing.push(key);
      else found.set(keyText(key), memory);
    });
    if (missing.length > 0) {
      const committed = await this.#fromLedger(missing, signal, read);
      missing.forEach((key, index) => {
        found.set(keyText(key), committed[index] ?? null);
      });
    }
    return keys.map((key) => {
      const memory = found.get(keyText(key)) ?? null;
      return memory === null || this.#isExpired(memory) ? null : memory;
    });
  }

  /**
   * The `k` memories of a namespace whose vectors are nearest. Fewer only when fewer exist, or fewer among the nearest
   * 100,000 pass the filter. To replace results that are deleted, expired or refused by `filter`, the index is asked for
   * more.
   */
  async search(
    namespace: string,
    vector: Float32Array,
    options: { k: number; scoreMin: number; filter: (memory: Memory) => boolean },
    signal: AbortSignal,
  ): Promise<SearchResult[]> {
    const gate = this.#parts.vectorIndex;
    if (gate === null)
      throw new ConfigurationError("search needs a vector index, and no registered store is one: set faiss.directory");
    if (!gate.allows()) throw gate.refusal();
    const { k, scoreMin } = options;
    const judged = new Map<string, SearchResult | null>();
    for (let wanted = k; ; wanted = Math.min(wanted * 4, HITS_MAX)) {
      const hits = await gate.target.search(namespace, vector, wanted, signal);
      const near = hits.filter((hit) => hit.score >= scoreMin);
      const results: SearchResult[] = [];
      for (let start = 0; start < near.length && results.length < k; start += READ_MAX) {
        const page = near.slice(start, start + READ_MAX);
        const fresh = page.filter((hit) => !judged.has(hitText(hit)));
        await this.#judge(namespace, vector, fresh, options, judged, signal);
        for (const hit of page) {
          const result = judged.get(hitText(hit)) ?? null;
          if (result !== null) results.push(result);
        }
      }
      const exhausted = hits.length < wanted || near.length < hits.length || wanted === HITS_MAX;
      if (results.length >= k || exhausted) return results.sort((a, b) => b.score - a.score).slice(0, k);
    }
  }

  /** Judges hits: a result, or null for a memory that must not be shown. */
  async #judge(
    namespace: string,
    query: Float32Array,
    hits: readonly VectorHit[],
    { scoreMin, filter }: { scoreMin: number; filter: (memory: Memory) => boolean },
    judged: Map<string, SearchResult | null>,
    signal: AbortSignal,
  ): Promise<void> {
    const keys = hits.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    const memories = await this.#getEach(keys, this.#soundMemory, signal);
    const behind = await this.#refreshOlder(namespace, hits, memories, signal);
    for (const [position, hit] of hits.entries()) {
      const memory = behind.has(hit.memoryId) ? (behind.get(hit.memoryId) ?? null) : (memories[position] ?? null);
      const score = memory === null ? null : this.#scoreNow(query, hit, memory);
      const passes = memory !== null && score !== null && score >= scoreMin && filter(memory);
      judged.set(hitText(hit), passes ? { memory, score } : null);
    }
  }

  /** The score by the vector that the memory has now: the index may be behind for a moment. */
  #scoreNow(query: Float32Array, hit: VectorHit, memory: Memory): number | null {
    // The checksum too: after the ledger lost transactions, an index may hold another content under the same version.
    if (memory.version === hit.version && memory.checksum === hit.checksum) return hit.score;
    if (memory.embedding === null) return null;
    return this.#parts.vectorIndex?.target.score?.(query, memory.embedding) ?? hit.score;
  }

  /** Reads memories from the ledger that the cache holds at an older version: it may be behind the index for a moment. */
  async #refreshOlder(
    namespace: string,
    hits: readonly VectorHit[],
    memories: readonly (Memory | null)[],
    signal: AbortSignal,
  ): Promise<Map<string, Memory | null>> {
    const older = hits.filter((hit, position) => (memories[position]?.version ?? hit.version) < hit.version);
    const refreshed = new Map<string, Memory | null>();
    if (older.length === 0) return refreshed;
    const keys = older.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    const changes = await this.#parts.ledger.readChanges(keys, signal);
    for (const key of keys) {
      const change = changes.get(keyText(key));
      const memory = change?.kind === "put" ? this.#soundMemory(change) : null;
      refreshed.set(key.memoryId, memory === null || this.#isExpired(memory) ? null : memory);
    }
    return refreshed;
  }

  /** The memories of the ledger, in order. Their versions become the floors of later reads. */
  async #fromLedger(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
    read: (change: PutChange) => Memory | null = ledgerMemory,
  ): Promise<(Memory | null)[]> {
    const floors = keys.map((key) => this.#parts.floors.of(key));
    const changes = await this.#parts.ledger.readChanges(keys, signal);
    return keys.map((key, index) => {
      const change = changes.get(keyText(key));
      this.#parts.floors.settle(key, change?.version ?? 0, floors[index] ?? 0);
      this.#parts.disproved.update(key, change === undefined ? null : provenVersion(change));
      return change?.kind === "put" ? read(change) : null;
    });
  }

  /** The memory of a search's hit; null where its document is damaged: one damaged memory must not end each search near it. */
  readonly #soundMemory = (change: PutChange): Memory | null => {
    try {
      return ledgerMemory(change);
    } catch (error) {
      if (!(error instanceof InternalError)) throw error;
      const { namespace, memoryId, version } = change;
      this.#parts.log.error({ namespace, memoryId, version, error: error.message }, "read.ledger_damaged");
      return null;
    }
  };

  /** The entries of the cache; none when it does not answer. */
  async #fromCache(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(StoredEntry | null)[]> {
    const { cache, cacheTimeoutMs, log, isCacheTrusted } = this.#parts;
    if (cache === null || keys.length === 0 || isCacheTrusted?.() === false || !cache.allows()) return [];
    try {
      return await withSharedDeadline(cacheTimeoutMs, signal, (deadline) =>
        cache.target.read(keys, { data: true }, deadline),
      );
    } catch (error) {
      if (signal.aborted) throw new AbortedError("a read", { cause: signal.reason });
      cache.failed(error as MnemosyncError);
      log.debug({ error: (error as Error).message }, "read.cache_failed");
      return [];
    }
  }

  /** The memory of a cached entry; null for a tombstone, undefined when the ledger must be asked. */
  #accept(entry: StoredEntry): Memory | null | undefined {
    if (entry.state === "malformed" || entry.version < this.#parts.floors.of(entry)) return undefined;
    if (!this.#parts.disproved.allows(entry)) return undefined;
    if (entry.state === "tombstone") return null;
    const memory = cachedMemory(entry, this.#parts.cache?.target.id ?? LEDGER_ID);
    if (memory === undefined) {
      const { namespace, memoryId } = entry;
      this.#parts.log.warn({ namespace, memoryId, version: entry.version }, "read.corruption_found");
    } else {
      this.#parts.floors.raise(entry, entry.version);
    }
    return memory;
  }

  #isExpired(memory: Memory): boolean {
    return memory.expiresAt !== undefined && Date.parse(memory.expiresAt) <= this.#parts.now();
  }
}

/** One string per vector that the index may hold. */
function hitText({ memoryId, version }: VectorHit): string {
  return `${version}/${memoryId}`;
}
