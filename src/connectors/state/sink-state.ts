import type { MemoryKey } from "../../domain/keys.ts";
import type { RunRecord } from "./state.ts";

/**
 * What a connector knows of a memory that it sends.
 *
 *     queued ──deliver──► sent ──settle──► delivered
 *        ▲                  │ lost            │ changed
 *        └──────────────────┴─────────────────┘
 *     gone: nothing of it is to be there.  failed: the service cannot process it (a dead letter).
 *
 * What happens to a memory while its text is on its way waits for that to be settled: the service never has two texts of one
 * memory under way, and no text appears after it was removed.
 */
export interface SentRecord extends MemoryKey {
  /** The version that `name` is of; 0: of a past that the ledger may have lost, so that its text is compared once it is settled. */
  readonly version: number;
  /** The version that the feed told of last, or that was read since. */
  readonly wanted: number;
  /** Whether the feed told that the memory has ended. */
  readonly ends: boolean;
  /** Of the text under `name`; null: it is not there. */
  readonly hash: string | null;
  /** The name under which the memory is there, or on its way; null: none. */
  readonly name: string | null;
  readonly state: "queued" | "sent" | "delivered" | "failed" | "gone";
  /** The sink's own note of a text that is on its way. */
  readonly receipt: unknown;
  /** Names of earlier versions: they stay until a newer one is delivered. */
  readonly old: readonly string[];
  /** Names that are being removed. */
  readonly doomed: readonly string[];
  /** Why it failed; null otherwise. */
  readonly reason: string | null;
  /** The reading of the whole feed, or else the run, that named it last. */
  readonly seenIn: string;
}

export interface SinkCheckpoint {
  readonly run: RunRecord;
  readonly records: readonly SentRecord[];
  /** Where in the feed the next page begins; undefined: as before. Null: at the start. */
  readonly cursor?: string | null | undefined;
  /** The reading of the whole feed that is under way; null: none. */
  readonly reading: string | null;
}

/** Where a connector to another service keeps what it knows between runs. */
export interface SinkState {
  /** Takes the connector for a run. @returns the run that goes on, where another process has it. */
  begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null>;
  /** Keeps records and cursor together. Durable once it resolves. */
  checkpoint(checkpoint: SinkCheckpoint): Promise<void>;
  end(run: RunRecord): Promise<void>;
  cursor(): Promise<string | null>;
  /** The reading of the whole feed that a run has begun and none has ended; null: none. */
  reading(): Promise<string | null>;
  record(key: MemoryKey): Promise<SentRecord | null>;
  /** Records in some state, the longest waiting ones first. */
  inState(state: SentRecord["state"], limit: number): Promise<readonly SentRecord[]>;
  /** Records with names that are being removed. */
  withDoomed(limit: number): Promise<readonly SentRecord[]>;
  /** Records that a reading of the feed did not name and of which something may be there. */
  unseen(reading: string, limit: number): Promise<readonly SentRecord[]>;
  runs(limit: number): Promise<readonly RunRecord[]>;
  close(): Promise<void>;
}
