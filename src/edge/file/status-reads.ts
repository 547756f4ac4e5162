import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { FileContext } from "./context.ts";
import type { OutboxOp, OutboxRow, OutboxStatus } from "./outbox.ts";
import type { Rescue } from "./rescue.ts";

/** A change that waits for the hub. */
export interface QueueItem extends MemoryKey {
  readonly key: string;
  readonly op: OutboxOp;
  readonly status: OutboxStatus;
  /** Times that the hub answered "not now". */
  readonly attempts: number;
  /** Milliseconds since 1970; null: as soon as the hub can be reached. */
  readonly nextAttemptAt: number | null;
  readonly bytes: number;
  readonly createdAt: number;
  readonly lastError: { readonly code: string; readonly message: string } | null;
}

export interface FileStatus {
  readonly device: string;
  readonly isPaused: boolean;
  readonly memories: number;
  readonly pending: number;
  readonly pendingBytes: number;
  /** Milliseconds since the oldest pending change was made; null: none is pending. */
  readonly oldestPendingMs: number | null;
  readonly failed: number;
  readonly conflicts: number;
  readonly syncedToday: number;
  /** Changes of the hub that were news here, without echoes of what went up. */
  readonly downloadedToday: number;
  /** Milliseconds since 1970; null: never. */
  readonly lastPushAt: number | null;
  readonly lastPullAt: number | null;
  /** Milliseconds from the last pulled change's commit to its arrival here; null: nothing was pulled. */
  readonly lagMs: number | null;
  /** Whether everything is being read anew, and why. */
  readonly resync: string | null;
  readonly rescued: Rescue | null;
}

/** What people and metrics are told of the file. */
export class StatusReads {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  status(nowMs: number, today: string): FileStatus {
    const { facts, file } = this.#context;
    const waiting = file.get<{ n: number; bytes: number | null; oldest: number | null }>(
      "select count(*) as n, sum(bytes) as bytes, min(created_at) as oldest from outbox where status in ('pending', 'sent')",
    );
    const count = (sql: string) => file.get<{ n: number }>(sql)?.n ?? 0;
    const rescued = facts.get("rescued");
    return {
      device: facts.get("device") as string,
      isPaused: facts.get("paused") === "1",
      memories: count("select count(*) as n from memories where deleted = 0"),
      pending: waiting?.n ?? 0,
      pendingBytes: waiting?.bytes ?? 0,
      oldestPendingMs: waiting?.oldest == null ? null : Math.max(0, nowMs - waiting.oldest),
      failed: count("select count(*) as n from outbox where status = 'failed'"),
      conflicts: count("select count(*) as n from conflicts where state = 'pending'"),
      syncedToday: facts.counter(today, "synced"),
      downloadedToday: facts.counter(today, "downloaded"),
      lastPushAt: timeOf(facts.get("last_push_at")),
      lastPullAt: timeOf(facts.get("last_pull_at")),
      lagMs: timeOf(facts.get("lag_ms")),
      resync: facts.get("resync_reason"),
      rescued: rescued === null ? null : (JSON.parse(rescued) as Rescue),
    };
  }

  /** Changes in the order in which they were made. */
  queue(which: "all" | "failed", limit: number): QueueItem[] {
    const condition = which === "failed" ? "where status = 'failed'" : "";
    return this.#context.file
      .all<OutboxRow>(`select * from outbox ${condition} order by seq limit ?`, limit)
      .map((row) => ({
        namespace: row.namespace,
        memoryId: row.memory_id,
        key: row.key,
        op: row.op,
        status: row.status,
        attempts: row.attempts,
        nextAttemptAt: row.next_attempt_at === 0 ? null : row.next_attempt_at,
        bytes: row.bytes,
        createdAt: row.created_at,
        lastError: row.error_code === null ? null : { code: row.error_code, message: row.error ?? "" },
      }));
  }

  /** Changes that have failed. @param key of one memory; null: all. */
  failedOf(key: MemoryKey | null): QueueItem[] {
    const failed = this.queue("failed", FAILED_MAX);
    return key === null ? failed : failed.filter((item) => keyText(item) === keyText(key));
  }
}

const FAILED_MAX = 10_000;

function timeOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
