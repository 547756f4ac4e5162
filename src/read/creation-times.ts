import type { Memory } from "../domain/memory.ts";
import type { FindLedger } from "../ledger/find-ledger.ts";

/**
 * Says when memories were created, which the ledger alone knows: an entry of a store would have to be written anew, with its
 * content unchanged, wherever the ledger's word changes.
 */
export class CreationTimes {
  readonly #ledger: Pick<FindLedger, "readCreationTimes">;

  constructor(ledger: Pick<FindLedger, "readCreationTimes">) {
    this.#ledger = ledger;
  }

  /** The memories of a namespace with `createdAt`. One that has ended since it was read has none. */
  async addTo<Found extends Memory | null>(
    namespace: string,
    memories: readonly Found[],
    signal: AbortSignal,
  ): Promise<(Found | Memory)[]> {
    // A memory of the replica brings the time with it.
    const ids = memories.flatMap((memory) => (memory?.createdAt === undefined ? (memory?.memoryId ?? []) : []));
    const times =
      ids.length === 0 ? new Map<string, number>() : await this.#ledger.readCreationTimes(namespace, ids, signal);
    return memories.map((memory) => {
      const createdAt = memory === null ? undefined : times.get(memory.memoryId);
      return createdAt === undefined ? memory : { ...memory, createdAt };
    });
  }
}
