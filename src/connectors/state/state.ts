/** What a connector knows of an item that it has imported. */
export interface KnownItem {
  readonly id: string;
  readonly memoryId: string;
  /** That of the item when it was last dealt with, whatever came of it: it is looked at again once it says something else. */
  readonly hash: string;
  /** The run that saw it last. */
  readonly seenIn: string;
  /** `deleted`: the service has it no more, and it was deleted here. */
  readonly state: "imported" | "erased" | "refused" | "deleted";
}

/** Counts of a run. */
export interface RunCounts {
  /** Items that the service gave. */
  readonly read: number;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
  /** Items that were erased here: they are not imported. */
  readonly erased: number;
  /** Items that went to the dead letters, and entries that could not be read. */
  readonly failed: number;
  /** Files of items that were fetched whole. */
  readonly media: number;
  /** Bytes of these files together, those included that an earlier run had fetched before it was cut off. */
  readonly bytes: number;
}

export const NO_COUNTS: RunCounts = {
  ...{ read: 0, created: 0, updated: 0, unchanged: 0, deleted: 0, erased: 0, failed: 0 },
  ...{ media: 0, bytes: 0 },
};

/** Counts as they were kept: what an older version did not count is 0. */
export function keptCounts(counts: Partial<RunCounts>): RunCounts {
  return { ...NO_COUNTS, ...counts };
}

/**
 *   running ──► succeeded | partial | failed | cancelled | interrupted (final)
 *
 * - `partial`: items went to the dead letters, or the listing was not complete.
 * - `interrupted`: the process died; the next run goes on.
 */
export type RunState = "running" | "succeeded" | "partial" | "failed" | "cancelled" | "interrupted";

/** One run, as the operation log keeps it. */
export interface RunRecord {
  /** A ULID. */
  readonly id: string;
  readonly state: RunState;
  /** `changes`: items since the last run; `full`: all of them, with deletions; `replay`: dead letters. */
  readonly scope: "changes" | "full" | "replay";
  readonly counts: RunCounts;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Behind what the run read: a time in milliseconds since 1970 at a source, a cursor of the feed at a sink; null: the start. */
  readonly cursorBefore: number | string | null;
  /** Behind what the next one reads. A source keeps it as it was where the run was not complete. */
  readonly cursorAfter: number | string | null;
  /** Why it did not succeed; null where it did. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** An item that could not be imported. */
export interface DeadLetter {
  readonly itemId: string;
  readonly memoryId: string;
  readonly code: string;
  readonly reason: string;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The item's memory as JSON, so that it can be looked at and replayed. */
  readonly payload: string;
}

/** What one page of a run changes. It is kept whole or not at all. */
export interface Checkpoint {
  readonly run: RunRecord;
  readonly items: readonly KnownItem[];
  readonly deadLetters: readonly Omit<DeadLetter, "attempts">[];
  /** Items that came through after all. */
  readonly settled: readonly string[];
}

/** Where a connector keeps what it knows between runs. Every implementation passes `test/conformance/connector-state.ts`. */
export interface ConnectorState {
  /**
   * Takes the connector for a run, and notes one that a dead process left as `interrupted`.
   * @returns the run that goes on, where another process has the connector.
   */
  begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null>;
  /** Keeps what one page has done. Durable once it resolves. */
  checkpoint(checkpoint: Checkpoint): Promise<void>;
  /** Ends the run, moves the cursor, and gives the connector free. */
  end(run: RunRecord, cursor: number | null): Promise<void>;
  /** The time behind which the next run reads; null before the first complete one. */
  cursor(): Promise<number | null>;
  /** What is known of items, by their ids; unknown ones are absent. */
  items(ids: readonly string[]): Promise<ReadonlyMap<string, KnownItem>>;
  /** Imported items that the run has not seen, in the order of their ids. @param after an id: those behind it. */
  unseen(runId: string, after: string, limit: number): Promise<readonly KnownItem[]>;
  /** Items in some state, in the order of their ids. @param after an id: those behind it. */
  inState(state: KnownItem["state"], after: string, limit: number): Promise<readonly KnownItem[]>;
  countImported(): Promise<number>;
  /** The newest first. */
  runs(limit: number): Promise<readonly RunRecord[]>;
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** Forgets dead letters by the ids of their items. @returns how many there were. */
  dropDeadLetters(itemIds: readonly string[]): Promise<number>;
  close(): Promise<void>;
}
