import { AbortedError, InternalError, type MnemosyncError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { Memory, PutChange } from "../domain/memory.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import { VectorBlock } from "../domain/vector-block.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import { Turns } from "../runtime/turns.ts";
import type { StoredEntry } from "../stores/projection.ts";
import type { StoreGate } from "../write/store-gate.ts";
import { type DisprovedEntries, provenVersion } from "./disproved-entries.ts";
import { cachedMemory, isProven, ledgerMemory } from "./memory.ts";
import type { RecalledEntry } from "./recalled-entries.ts";
import { RecallingReads } from "./recalling-reads.ts";
import type { VersionFloors } from "./version-floors.ts";

export interface ReaderParts {
  readonly ledger: LedgerStore;
  /** Asked before the ledger; null: the ledger alone answers. */
  readonly cache: StoreGate | null;
  /** False while the cache may have gone back: then the ledger is asked. @default always */
  readonly isCacheTrusted?: () => boolean;
  readonly floors: VersionFloors;
  readonly disproved: DisprovedEntries;
  readonly log: Log;
  /** Milliseconds that the cache is given before the ledger is asked. */
  readonly cacheTimeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Bytes of entries that searches proved lately: some 8,000 memories with vectors of 384 numbers. */
const RECALLED_BYTES_MAX = 16 * 1024 * 1024;

interface AcceptOptions {
  readonly vectors?: VectorBlock;
  readonly recalls?: boolean;
}

interface ReadEach {
  /** Makes the memory of what the ledger holds. */
  readonly read: (change: PutChange) => Memory | null;
  /** Whether entries are kept for the next time. */
  readonly recalls: boolean;
  /** Told of the bytes of documents and vectors that were read. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

/** Bytes of a document that are as much work as a small memory. */
const ITEM_BYTES = 2_048;

/**
 * Reads from the cache (Redis). Memories that the cache lacks, or whose bytes do not fit their checksum, are read from the
 * ledger. A read never shows a memory that is deleted, expired or altered.
 */
export class Reader {
  readonly #parts: ReaderParts;
  readonly #reads: RecallingReads | null;
  /** Kept: the store is a proxy, and a search asks for this once for each hit. */
  readonly #source: StoreId;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#source = parts.cache?.target.id ?? LEDGER_ID;
    this.#reads = parts.cache === null ? null : new RecallingReads(parts.cache.target, RECALLED_BYTES_MAX);
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
    const [memory = null] = await this.getAllCommitted([key], signal);
    return memory;
  }

  /** The memories of `keys`, in order; null where there is none. */
  async get(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(Memory | null)[]> {
    return await this.#getEach(keys, { read: ledgerMemory, recalls: false }, signal);
  }

  /** As `get`, from the ledger: never older than the last commit before this call. */
  async getAllCommitted(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(Memory | null)[]> {
    const memories = await this.#fromLedger(keys, signal);
    return memories.map((memory) => (memory === null || this.#isExpired(memory) ? null : memory));
  }

  /** Over as many turns of the event loop as it takes to prove and parse the memories. */
  async #getEach(
    keys: readonly MemoryKey[],
    { read, recalls, onRead }: ReadEach,
    signal: AbortSignal,
  ): Promise<(Memory | null)[]> {
    const forgets = this.#reads?.forgets ?? 0;
    const cached = await this.#fromCache(keys, signal, recalls);
    const vectors = vectorBlock(cached);
    const memories = new Array<Memory | null>(keys.length).fill(null);
    const missing: number[] = [];
    const turns = new Turns();
    let bytes = 0;
    for (let at = 0; at < keys.length; at++) {
      const entry = cached[at] ?? null;
      const size = entry === null ? 0 : sizeOf(entry);
      if (at > 0 && turns.isOver(1 + size / ITEM_BYTES)) await turns.next();
      bytes += size;
      // What was erased while this call read it is not kept.
      const keeps = recalls && this.#reads?.forgets === forgets;
      const memory = entry === null ? undefined : this.#accept(entry, { vectors, recalls: keeps });
      if (memory === undefined) missing.push(at);
      else memories[at] = memory;
    }
    if (missing.length > 0) {
      const committed = await this.#fromLedger(
        missing.map((at) => keys[at] as MemoryKey),
        signal,
        (change) => {
          bytes += change.documentJson.length + (change.embedding?.byteLength ?? 0);
          return read(change);
        },
      );
      for (const [index, at] of missing.entries()) memories[at] = committed[index] ?? null;
    }
    onRead?.(bytes);
    return memories.map((memory) => (memory === null || this.#isExpired(memory) ? null : memory));
  }

  /** As `get`; a memory whose document is damaged is null: one such memory must not end each search near it. */
  async getSound(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
    onRead?: (bytes: number) => void,
  ): Promise<(Memory | null)[]> {
    return await this.#getEach(keys, { read: this.#soundMemory, recalls: true, onRead }, signal);
  }

  /** Drops what searches found of these memories: they were erased. */
  forget(keys: readonly MemoryKey[]): void {
    this.#reads?.forget(keys);
  }

  /** As `getSound`, from the ledger alone. */
  async getSoundCommitted(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(Memory | null)[]> {
    const changes = await this.#parts.ledger.readChanges(keys, signal);
    return keys.map((key) => {
      const change = changes.get(keyText(key));
      const memory = change?.kind === "put" ? this.#soundMemory(change) : null;
      return memory === null || this.#isExpired(memory) ? null : memory;
    });
  }

  /** The memories of the ledger, in order. Their versions become the floors of later reads. */
  async #fromLedger(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
    read: (change: PutChange) => Memory | null = ledgerMemory,
  ): Promise<(Memory | null)[]> {
    const floors = keys.map((key) => this.#parts.floors.of(key));
    const changes = await this.#parts.ledger.readChanges(keys, signal);
    const turns = new Turns();
    const memories: (Memory | null)[] = [];
    for (const [index, key] of keys.entries()) {
      const change = changes.get(keyText(key));
      if (change?.kind === "put" && turns.isOver(1 + change.documentJson.length / ITEM_BYTES)) await turns.next();
      this.#parts.floors.settle(key, change?.version ?? 0, floors[index] ?? 0);
      this.#parts.disproved.update(key, change === undefined ? null : provenVersion(change));
      memories.push(change?.kind === "put" ? read(change) : null);
    }
    return memories;
  }

  /** The memory; null where its document is damaged. */
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
  async #fromCache(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
    recalls = false,
  ): Promise<readonly (StoredEntry | null)[]> {
    const { cache, cacheTimeoutMs, log, isCacheTrusted } = this.#parts;
    const reads = this.#reads;
    if (cache === null || reads === null || keys.length === 0) return [];
    if (isCacheTrusted?.() === false || !cache.allows()) return [];
    const begun = cache.begin();
    try {
      const entries = await withSharedDeadline(cacheTimeoutMs, signal, (deadline) =>
        recalls ? reads.recall(keys, this.#mayRecall, deadline) : reads.read(keys, deadline),
      );
      // The driver sends a read again after the link broke: the answer may come from another server than the trusted one.
      return isCacheTrusted?.() === false ? [] : entries;
    } catch (error) {
      if (signal.aborted) throw new AbortedError("a read", { cause: signal.reason });
      cache.failed(error as MnemosyncError, begun);
      log.debug({ error: (error as Error).message }, "read.cache_failed");
      return [];
    }
  }

  /** The memory of a cached entry; null for a tombstone, undefined when the ledger must be asked. */
  #accept(entry: StoredEntry, { vectors, recalls = false }: AcceptOptions = {}): Memory | null | undefined {
    if (entry.state === "malformed") return undefined;
    const text = (entry as Partial<RecalledEntry>).keyText ?? keyText(entry);
    if (entry.version < this.#parts.floors.ofText(text)) return undefined;
    if (!this.#parts.disproved.allows(entry)) return undefined;
    if (entry.state === "tombstone") return null;
    if (this.#reads?.isProven(entry, text) !== true) {
      if (!isProven(entry)) {
        const { namespace, memoryId } = entry;
        this.#parts.log.warn({ namespace, memoryId, version: entry.version }, "read.corruption_found");
        return undefined;
      }
      if (recalls) this.#reads?.keep(entry);
    }
    this.#parts.floors.raiseText(text, entry.version);
    return cachedMemory(entry, this.#source, vectors);
  }

  readonly #mayRecall = (entry: RecalledEntry): boolean =>
    entry.version >= this.#parts.floors.ofText(entry.keyText) && !this.#parts.disproved.has(entry);

  #isExpired(memory: Memory): boolean {
    return memory.expiresAt !== undefined && Date.parse(memory.expiresAt) <= this.#parts.now();
  }
}

/** Bytes of the document and the vector. */
function sizeOf(entry: StoredEntry): number {
  const data = entry.state === "live" ? entry.data : undefined;
  return (data?.documentJson?.byteLength ?? 0) + (data?.embedding?.byteLength ?? 0);
}

/** Room for the vectors of the entries. */
function vectorBlock(entries: readonly (StoredEntry | null)[]): VectorBlock {
  let bytes = 0;
  for (const entry of entries) if (entry?.state === "live") bytes += entry.data?.embedding?.byteLength ?? 0;
  return new VectorBlock(bytes >>> 2);
}
