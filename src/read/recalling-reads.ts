import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { EntryIdentity, LiveEntry, Projection, StoredEntry } from "../stores/projection.ts";
import { GatheredReads } from "./gathered-reads.ts";
import { RecalledEntries, type RecalledEntry } from "./recalled-entries.ts";

/**
 * Reads entries of the cache with data. Of entries that were proven lately it asks the cache only whether they are unchanged:
 * a search finds mostly what earlier ones found, and reading, hashing and comparing ten entries anew costs more than the
 * search of the index leaves for all the rest.
 */
export class RecallingReads {
  readonly #cache: Pick<Projection, "read" | "unchanged">;
  readonly #reads: GatheredReads;
  readonly #unchanged: GatheredReads<EntryIdentity, boolean> | null;
  readonly #recalled: RecalledEntries;
  #forgets = 0;

  constructor(cache: Pick<Projection, "read" | "unchanged">, bytesMax: number) {
    this.#cache = cache;
    this.#reads = new GatheredReads((keys, signal) => this.#cache.read(keys, { data: true }, signal));
    const { unchanged } = cache;
    this.#unchanged =
      unchanged === undefined ? null : new GatheredReads((entries, signal) => unchanged.call(cache, entries, signal));
    this.#recalled = new RecalledEntries(unchanged === undefined ? 0 : bytesMax);
  }

  /** The entry of each key, in order, as the cache holds it; null where there is none. */
  async read(keys: readonly MemoryKey[], signal: AbortSignal): Promise<readonly (StoredEntry | null)[]> {
    return await this.#reads.read(keys, signal);
  }

  /**
   * As `read`.
   * @param mayShow whether an entry that was proven before needs no other source.
   */
  async recall(
    keys: readonly MemoryKey[],
    mayShow: (entry: RecalledEntry) => boolean,
    signal: AbortSignal,
  ): Promise<readonly (StoredEntry | null)[]> {
    const unchanged = this.#unchanged;
    if (unchanged === null) return await this.read(keys, signal);
    const entries = new Array<StoredEntry | null>(keys.length).fill(null);
    const known: RecalledEntry[] = [];
    const knownAt: number[] = [];
    const unknown: number[] = [];
    for (let at = 0; at < keys.length; at++) {
      const entry = this.#recalled.of(keys[at] as MemoryKey);
      if (entry !== undefined && mayShow(entry)) {
        known.push(entry);
        knownAt.push(at);
      } else unknown.push(at);
    }
    const fill = async (places: readonly number[]): Promise<void> => {
      const asked = places.map((at) => keys[at] as MemoryKey);
      const found = await this.read(asked, signal);
      for (const [index, at] of places.entries()) entries[at] = found[index] ?? null;
    };
    const confirm = async (): Promise<void> => {
      const answers = await unchanged.read(known, signal);
      const changed: number[] = [];
      for (let index = 0; index < known.length; index++) {
        const [entry, at] = [known[index] as RecalledEntry, knownAt[index] as number];
        if (answers[index] === true) entries[at] = entry;
        else {
          this.#recalled.forget(entry);
          changed.push(at);
        }
      }
      if (changed.length > 0) await fill(changed);
    };
    if (unknown.length === 0) await confirm();
    else if (known.length === 0) await fill(unknown);
    else await Promise.all([confirm(), fill(unknown)]);
    return entries;
  }

  /** Grows with each `forget`: what was read before it must not be kept after it. */
  get forgets(): number {
    return this.#forgets;
  }

  /** Whether the entry was proven before. @param text the `keyText` of its key. */
  isProven(entry: LiveEntry, text = keyText(entry)): boolean {
    return this.#recalled.has(entry, text);
  }

  /** Keeps an entry that `read` or `recall` returned and that was proven since. */
  keep(entry: LiveEntry): void {
    if (this.#unchanged !== null) this.#recalled.add(entry);
  }

  /** Drops the entries that are kept under these keys. */
  forget(keys: readonly MemoryKey[]): void {
    this.#forgets++;
    for (const key of keys) this.#recalled.forget(key);
  }
}
