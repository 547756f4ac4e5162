import { keyText } from "../domain/keys.ts";
import type { PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import { type ApplyAnswer, applyWrites } from "./apply-statements.ts";
import type { Fence, PlaceMove } from "./cursor-statements.ts";
import { flyPuts, isPlainPut } from "./put-flight.ts";
import type { ReplicaWrite } from "./replica-write.ts";

/** Batches that are not tried as flights after some in a row failed, at most. */
const RESTS_MAX = 64;

/**
 * Writes batches into the replica, with the outcome of `applyWrites`. Memories of which a batch has plain puts alone go in a flight,
 * the others by the statement that looks for what the replica has. Where flights fail, as while a replica is read anew that has
 * everything, fewer are tried.
 */
export class BatchWriter {
  #failures = 0;
  #rests = 0;

  /** @param writes in order per memory. No other transaction may write the same memories meanwhile. */
  async write(
    { sql, flights }: Pick<PostgresConnection, "sql" | "flights">,
    fence: Fence,
    writes: readonly ReplicaWrite[],
    move: PlaceMove | null,
  ): Promise<ApplyAnswer> {
    if (flights === undefined || this.#isResting()) return await applyWrites(sql, fence, writes, move);
    const { plain, others } = parted(writes);
    if (plain.length === 0) return await applyWrites(sql, fence, writes, move);
    const isWritten = await flyPuts(flights, fence, plain, others.length === 0 ? move : null);
    this.#note(isWritten);
    if (!isWritten) return await applyWrites(sql, fence, writes, move);
    return others.length === 0 ? "applied" : await applyWrites(sql, fence, others, move);
  }

  #isResting(): boolean {
    if (this.#rests === 0) return false;
    this.#rests--;
    return true;
  }

  #note(isWritten: boolean): void {
    this.#failures = isWritten ? 0 : this.#failures + 1;
    this.#rests = isWritten ? 0 : Math.min(2 ** (this.#failures - 1), RESTS_MAX);
  }
}

/** A memory has all of its writes in one part, in their order. */
function parted(writes: readonly ReplicaWrite[]): { plain: readonly ReplicaWrite[]; others: readonly ReplicaWrite[] } {
  const marked = new Set<string>();
  for (const write of writes) if (!isPlainPut(write)) marked.add(keyText(write));
  if (marked.size === 0) return { plain: writes, others: [] };
  const plain: ReplicaWrite[] = [];
  const others: ReplicaWrite[] = [];
  for (const write of writes) (marked.has(keyText(write)) ? others : plain).push(write);
  return { plain, others };
}
