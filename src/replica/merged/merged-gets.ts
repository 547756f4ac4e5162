import { StoreUnavailableError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { Memory } from "../../domain/memory.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import type { ReadSources } from "../../read/read-sources.ts";
import { readRowContents } from "./contents.ts";
import { MergedRead } from "./merged-read.ts";
import { replicaMemory } from "./replica-memory.ts";
import type { ReplicaSide } from "./replica-side.ts";

/** An answer, and the sides that it stands on. */
export interface Merged<Answer> {
  readonly answer: Answer;
  readonly sources: ReadSources;
}

/** Whether a read failed since the primary is away, so that the replica may answer alone. */
export function isPrimaryAway(error: unknown): boolean {
  return error instanceof StoreUnavailableError && error.store === LEDGER_ID;
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

  /** @param primary reads the memories of `keys`, all of one namespace, in order. */
  async get(
    operation: "get" | "getMany",
    keys: readonly MemoryKey[],
    { withCreatedAt, primary }: { withCreatedAt: boolean; primary: () => Promise<readonly (Memory | null)[]> },
    signal: AbortSignal,
  ): Promise<Merged<(Memory | null)[]>> {
    let read = new MergedRead(this.#side, operation, signal);
    let memories: (Memory | null)[];
    try {
      memories = [...(await primary())];
    } catch (error) {
      if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      read = read.primaryFailed();
      memories = keys.map(() => null);
      if (!(await this.#fill(read, keys, memories, withCreatedAt))) throw error;
      return { answer: memories, sources: read.end() };
    }
    await this.#fill(read, keys, memories, withCreatedAt);
    return { answer: memories, sources: read.end() };
  }

  /** Fills in what the replica alone has. @returns whether the replica took part to the end. */
  async #fill(
    read: MergedRead,
    keys: readonly MemoryKey[],
    memories: (Memory | null)[],
    withCreatedAt: boolean,
  ): Promise<boolean> {
    const { namespace } = keys[0] ?? { namespace: "" };
    const missing = [...new Set(keys.flatMap(({ memoryId }, at) => (memories[at] === null ? [memoryId] : [])))];
    if (missing.length === 0) return read.takesPart;
    const found = await read.ask((reads, signal) => reads.readRows(namespace, missing, signal));
    if (found === null) return false;
    const rows = await read.judge(namespace, found, found.rows);
    const got = new Map<string, Memory>();
    for (let left = [...rows]; left.length > 0; ) {
      const page = await readRowContents(read, namespace, left, { withEmbedding: true });
      if (page === null) return false; // Half of what the replica has would look like all of it.
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
