import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { EntryIdentity, LiveEntry } from "../stores/projection.ts";

/** Bytes that an entry takes beside its own. */
const OVERHEAD_BYTES = 400;

/** A live entry of the cache, read with data and proven by its checksum and its digest. */
export interface RecalledEntry extends LiveEntry, EntryIdentity {
  readonly modifiedAt: number;
  readonly data: NonNullable<LiveEntry["data"]>;
  /** Of its key: see `keyText`. */
  readonly keyText: string;
}

/**
 * Entries of the cache that were proven lately. An entry is shown again only after the cache said that it still holds the
 * same one: then its bytes need not be sent, hashed and compared again.
 *
 * Kept in two generations of half the bytes each: a full one makes the older one be forgotten as a whole, as in `VersionFloors`.
 * An entry that is used moves to the younger one.
 */
export class RecalledEntries {
  readonly #generationBytesMax: number;
  #young = new Map<string, RecalledEntry>();
  #old = new Map<string, RecalledEntry>();
  #youngBytes = 0;

  /** @param bytesMax of all entries; 0: none is kept. */
  constructor(bytesMax: number) {
    this.#generationBytesMax = Math.floor(bytesMax / 2);
  }

  of(key: MemoryKey): RecalledEntry | undefined {
    const text = keyText(key);
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const old = this.#old.get(text);
    if (old !== undefined) this.#keep(text, old);
    return old;
  }

  /** Whether it is the very entry that `of` returns for its key: one that was proven before. @param text the `keyText` of its key. */
  has(entry: MemoryKey, text = keyText(entry)): boolean {
    return (this.#young.get(text) ?? this.#old.get(text)) === entry;
  }

  /** Keeps a copy of a proven entry, where the cache can tell whether it still holds it. */
  add(entry: LiveEntry): void {
    const { modifiedAt, data, namespace, memoryId, version, checksum } = entry;
    if (data === undefined || data.documentJson === null || typeof data.digest !== "string" || modifiedAt === null)
      return;
    const text = keyText(entry);
    const recalled: RecalledEntry = {
      ...{ state: "live", namespace, memoryId, version, checksum, modifiedAt, digest: data.digest, keyText: text },
      // Copies: the bytes of a reply share the memory of all that came with it.
      data: { ...data, documentJson: copyOf(data.documentJson), embedding: data.embedding && copyOf(data.embedding) },
    };
    if (sizeOf(recalled) <= this.#generationBytesMax) this.#keep(text, recalled);
  }

  forget(key: MemoryKey): void {
    const text = keyText(key);
    const young = this.#young.get(text);
    if (young !== undefined) this.#youngBytes -= sizeOf(young);
    this.#young.delete(text);
    this.#old.delete(text);
  }

  #keep(text: string, entry: RecalledEntry): void {
    const replaced = this.#young.get(text);
    if (replaced !== undefined) this.#youngBytes -= sizeOf(replaced);
    const bytes = sizeOf(entry);
    if (this.#youngBytes + bytes > this.#generationBytesMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(text, entry);
    this.#youngBytes += bytes;
  }
}

function sizeOf({ namespace, memoryId, data }: RecalledEntry): number {
  const { documentJson, embedding, versionVector } = data;
  const texts = namespace.length + 2 * memoryId.length + (versionVector?.length ?? 0);
  return OVERHEAD_BYTES + 2 * texts + (documentJson?.byteLength ?? 0) + (embedding?.byteLength ?? 0);
}

/** In memory of its own, without a pool that others keep alive. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
