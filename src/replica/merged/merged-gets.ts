import type { MemoryKey } from "../../domain/keys.ts";
import type { Memory } from "../../domain/memory.ts";
import type { OnBytes } from "../../read/bounded-reads.ts";
import type { ReadSources } from "../../read/read-sources.ts";
import { readRowContents } from "./contents.ts";
import { MergedRead } from "./merged-read.ts";
import { replicaMemory } from "./replica-memory.ts";
import type { ReplicaSide } from "./replica-side.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/** An answer, and the sides that it stands on. */
export interface Merged<Answer> {
  readonly answer: Answer;
  readonly sources: ReadSources;
}

/**
 * Reads of memories by their ids. The replica is asked for those that the primary does not show, so a read that finds all of
 * them in the primary costs nothing more: most reads do, mostly in the cache, and asking both sides at once would
 * send the replica every read of the deployment for an answer that is thrown away.
 */
export class MergedGets {
  readonly #side: ReplicaSide;

  constructor(side: ReplicaSide) {
    this.#side = side;
  }

  /** @param primary reads the memory of `key`. */
  async getOne(
    key: MemoryKey,
    { withCreatedAt, primary }: { withCreatedAt: boolean; primary: () => Promise<Memory | null> },
    signal: AbortSignal,
  ): Promise<Merged<Memory | null>> {
    const read = new MergedRead(this.#side, "get", signal);
    let memory: Memory | null = null;
    let failure: unknown = null;
    try {
      memory = await primary();
    } catch (error) {
      failure = error;
    }
    if (memory !== null) return { answer: memory, sources: read.end() };
    const options = { failure, withCreatedAt, onBytes: undefined }; // The caller tells of one memory by itself.
    const { answer, sources } = await this.#filled(read, [key], [null], options);
    return { answer: answer[0] ?? null, sources };
  }

  /**
   * @param primary reads the memories of `keys`, all of one namespace, in order.
   * @param onBytes told of the bytes of the replica's memories.
   */
  async getMany(
    keys: readonly MemoryKey[],
    options: {
      withCreatedAt: boolean;
      onBytes?: OnBytes | undefined;
      primary: () => Promise<readonly (Memory | null)[]>;
    },
    signal: AbortSignal,
  ): Promise<Merged<(Memory | null)[]>> {
    const read = new MergedRead(this.#side, "getMany", signal);
    const { withCreatedAt, onBytes, primary } = options;
    let memories: (Memory | null)[] = [];
    let failure: unknown = null;
    try {
      memories = [...(await primary())];
    } catch (error) {
      failure = error;
      memories = keys.map(() => null);
    }
    return await this.#filled(read, keys, memories, { failure, withCreatedAt, onBytes });
  }

  /** @param options.failure of the primary; null: it answered. */
  async #filled(
    read: MergedRead,
    keys: readonly MemoryKey[],
    memories: (Memory | null)[],
    options: { failure: unknown; withCreatedAt: boolean; onBytes: OnBytes | undefined },
  ): Promise<Merged<(Memory | null)[]>> {
    const { failure } = options;
    if (failure === null) {
      await this.#fill(read, keys, memories, options);
      return { answer: memories, sources: read.end() };
    }
    if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(failure)) throw failure;
    const alone = read.primaryFailed();
    if (!(await this.#fill(alone, keys, memories, options))) throw failure;
    return { answer: memories, sources: alone.end() };
  }

  /** Fills in what the replica alone has. @returns whether the replica took part to the end. */
  async #fill(
    read: MergedRead,
    keys: readonly MemoryKey[],
    memories: (Memory | null)[],
    { withCreatedAt, onBytes }: { withCreatedAt: boolean; onBytes: OnBytes | undefined },
  ): Promise<boolean> {
    if (!read.takesPart) return false;
    const { namespace } = keys[0] ?? { namespace: "" };
    const missing = [...new Set(keys.flatMap(({ memoryId }, at) => (memories[at] === null ? [memoryId] : [])))];
    if (missing.length === 0) return true;
    const found = await read.ask((reads, signal) => reads.readRows(namespace, missing, signal));
    if (found === null) return false;
    const rows = await read.judge(namespace, found, found.rows);
    const got = new Map<string, Memory>();
    for (let left = [...rows]; left.length > 0; ) {
      const page = await readRowContents(read, namespace, left, { withEmbedding: true });
      if (page === null) return false; // Half of what the replica has would look like all of it.
      onBytes?.(page.bytes);
      for (const [memoryId, content] of page.contents) {
        const memory = replicaMemory(namespace, content, withCreatedAt);
        if (memory !== null) got.set(memoryId, memory);
      }
      left = left.filter(({ memoryId }) => page.cut.has(memoryId));
    }
    for (const [at, { memoryId }] of keys.entries()) memories[at] ??= got.get(memoryId) ?? null;
    return read.takesPart;
  }
}
