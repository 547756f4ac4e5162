import { ValidationError } from "../../../domain/errors.ts";
import { foreignReason } from "../../../domain/foreign.ts";
import type { MemoryChange } from "../../../domain/memory.ts";
import type { Log } from "../../../runtime/log.ts";
import { projectChecked } from "../protocol/metric.ts";
import { readEntries } from "../protocol/wire-entries.ts";
import type { ResolvedFaissOptions } from "../settings.ts";
import type { HostConnection } from "./host-connection.ts";

/**
 * What an index makes of changes of the ledger whose vectors do not fit it. One of them must not block the others.
 *
 * A memory whose vector is of another model or dimension was embedded anew, for another index. This one goes on serving:
 * it keeps the vector that it has, and searches find the memory by it until the memory is deleted or gets a vector that
 * fits. Where the index has none, and where a vector is malformed, it holds the memory without a vector.
 */
export class FittingChanges {
  readonly #options: ResolvedFaissOptions;
  readonly #log: Log;

  constructor(options: ResolvedFaissOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** The changes to publish. */
  async of(connection: HostConnection, changes: readonly MemoryChange[], signal: AbortSignal): Promise<MemoryChange[]> {
    const foreign = changes.filter((change) => this.#foreignReason(change) !== null);
    const kept = await this.#held(connection, foreign, signal);
    if (kept.size > 0) this.#log.info({ memories: kept.size }, "index.foreign_versions_passed_over");
    return changes.filter((change) => !kept.has(change)).map((change) => this.#fitting(change));
  }

  /** Those of which the index has a vector. */
  async #held(
    connection: HostConnection,
    changes: readonly MemoryChange[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<MemoryChange>> {
    if (changes.length === 0) return new Set();
    const entries = await readEntries(connection, this.#options.dimension, changes, { data: false }, signal);
    return new Set(changes.filter((_, position) => entries[position]?.state === "live"));
  }

  #fitting(change: MemoryChange): MemoryChange {
    const reason = this.#misfit(change);
    if (reason === null) return change;
    const { namespace, memoryId, version } = change;
    this.#log.warn({ namespace, memoryId, version, reason }, "index.vector_left_out");
    return { ...change, embedding: null } as MemoryChange;
  }

  /** Why a vector does not fit this index, by the same rules as for writes and checks. Null when it fits. */
  #misfit(change: MemoryChange): string | null {
    if (change.kind !== "put" || change.embedding === null) return null;
    const foreign = this.#foreignReason(change);
    if (foreign !== null) return foreign;
    try {
      projectChecked(this.#options, change.embedding);
      return null;
    } catch (error) {
      if (error instanceof ValidationError) return error.message;
      throw error;
    }
  }

  #foreignReason(change: MemoryChange): string | null {
    return change.kind === "put" ? foreignReason(this.#options, change) : null;
  }
}
