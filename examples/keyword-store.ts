/** A store of your own: an index of the words in each memory's content, in memory. docs/stores.md explains it. */
import { randomUUID } from "node:crypto";
import * as stores from "mnemosync/stores";

/** What the store keeps of a memory; a deleted one leaves its version behind. */
type Entry = stores.LiveEntry | stores.TombstoneEntry;

export class KeywordStore implements stores.Projection {
  readonly id = "keywords";
  readonly traits: stores.ProjectionTraits;
  /** By key. */
  readonly entries = new Map<string, Entry>();
  readonly #keysByWord = new Map<string, Set<string>>();
  readonly #wordsByKey = new Map<string, ReadonlySet<string>>();
  readonly #generation = randomUUID();

  constructor(scope: stores.StoreScope = "shared") {
    this.traits = { scope, holds: new Set(["documents"]) };
  }

  /** Ids of the live memories of a namespace whose content has the word, in any case. */
  find(namespace: string, word: string): string[] {
    const keys = [...(this.#keysByWord.get(word.toLowerCase()) ?? [])].map(stores.parseKeyText);
    return keys.filter((key) => key.namespace === namespace).map((key) => key.memoryId);
  }

  async prepare(_batch: stores.PreparedBatch, signal: AbortSignal) {
    await this.answer(signal); // A map accepts every change: it is enough to be there.
  }

  async publish(changes: readonly stores.MemoryChange[], signal: AbortSignal) {
    await this.answer(signal);
    // No await between the comparison and the write: two callers cannot interleave.
    return changes.map((change) => {
      const held = this.entries.get(stores.keyText(change));
      if (held !== undefined && held.version >= change.version) return "stale";
      this.#put(change);
      return "applied";
    });
  }

  async discard() {}

  async read(keys: readonly stores.MemoryKey[], { data }: { data: boolean }, signal: AbortSignal) {
    await this.answer(signal);
    return keys.map((key) => shown(this.entries.get(stores.keyText(key)), data));
  }

  async scan(cursor: string | null, { limit = 1_000, buckets }: stores.ScanOptions, signal: AbortSignal) {
    await this.answer(signal);
    const rest = [...this.entries.keys()].filter((key) => cursor === null || key > cursor).sort();
    const page = rest.slice(0, limit);
    const entries = page.flatMap((key) => shown(this.entries.get(key), false) ?? []);
    return {
      entries: entries.filter((entry) => buckets?.has(stores.bucketOf(entry)) ?? true),
      cursor: rest.length > limit ? (page.at(-1) ?? null) : null,
    };
  }

  async digest(signal: AbortSignal) {
    await this.answer(signal);
    const digests = new stores.BucketDigests();
    for (const entry of this.entries.values()) {
      if (entry.state !== "live") continue;
      digests.addHex(stores.bucketOf(entry), stores.entryDigest(entry, entry.version, entry.checksum));
    }
    return digests;
  }

  async count(signal: AbortSignal) {
    await this.answer(signal);
    return [...this.entries.values()].filter(({ state }) => state === "live").length;
  }

  flaw({ data, modifiedAt }: stores.LiveEntry, expected: stores.PutChange) {
    if (data?.documentJson?.toString() !== expected.documentJson) return "the document is another one";
    if (data.versionVector !== JSON.stringify(expected.versionVector)) return "the version vector is another one";
    return modifiedAt === expected.modifiedAt ? null : `modifiedAt is ${modifiedAt}, not ${expected.modifiedAt}`;
  }

  async replace(replacements: readonly stores.Replacement[], signal: AbortSignal) {
    await this.answer(signal);
    return replacements.map(({ key, found, change }) => {
      const held = this.entries.get(stores.keyText(key));
      if (fingerprint(held) !== fingerprint(found)) return "moved";
      if (change === null) this.#remove(stores.keyText(key));
      else this.#put(change);
      return "applied";
    });
  }

  async generation() {
    return this.#generation; // A new process begins with nothing: the store is filled again.
  }

  async health(signal: AbortSignal): Promise<stores.ProjectionHealth> {
    const failure = await this.answer(signal).catch((error: Error) => error);
    return failure === undefined ? { state: "healthy" } : { state: "down", reason: failure.message };
  }

  /** What every call begins with. @throws {StoreUnavailableError} {AbortedError} The signal has fired. */
  protected async answer(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw stores.signalError(this.id, signal);
  }

  #put(change: stores.MemoryChange): void {
    const { namespace, memoryId, version, modifiedAt } = change;
    const key = stores.keyText(change);
    this.#remove(key);
    if (change.kind === "tombstone") {
      this.entries.set(key, { state: "tombstone", namespace, memoryId, version });
      return;
    }
    const { checksum, documentJson } = change;
    const versionVector = JSON.stringify(change.versionVector);
    const data = { documentJson: Buffer.from(documentJson), embedding: null, versionVector };
    this.entries.set(key, { state: "live", namespace, memoryId, version, checksum, modifiedAt, data });
    const words = wordsOf(documentJson);
    this.#wordsByKey.set(key, words);
    for (const word of words) {
      const keys = this.#keysByWord.get(word) ?? new Set();
      this.#keysByWord.set(word, keys.add(key));
    }
  }

  #remove(key: string): void {
    this.entries.delete(key);
    for (const word of this.#wordsByKey.get(key) ?? []) {
      const keys = this.#keysByWord.get(word);
      keys?.delete(key);
      if (keys?.size === 0) this.#keysByWord.delete(word);
    }
    this.#wordsByKey.delete(key);
  }
}

/** For the setting `stores: [{ module: "./keyword-store.js", options: { scope: "shared" } }]`. */
export function createStore({ scope = "shared" }: { scope?: stores.StoreScope } = {}): KeywordStore {
  return new KeywordStore(scope);
}

function shown(entry: Entry | undefined, withData: boolean): Entry | null {
  if (entry === undefined) return null;
  if (withData || entry.state === "tombstone") return entry;
  const { data: _, ...header } = entry;
  return header;
}

/** Equal where an entry still is the one that was found. */
function fingerprint(entry: stores.StoredEntry | null | undefined): string {
  if (entry === null || entry === undefined) return "nothing";
  if (entry.state === "malformed") return "malformed";
  return `${entry.state} ${entry.version} ${entry.state === "live" ? entry.checksum : ""}`;
}

function wordsOf(documentJson: string): Set<string> {
  const { content = "" } = JSON.parse(documentJson) as { content?: string };
  return new Set(content.toLowerCase().match(/[\p{L}\p{N}]+/gu));
}
