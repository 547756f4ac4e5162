import type { MemoryKey } from "../../domain/keys.ts";
import type { Outbox } from "./outbox.ts";
import type { QueueItem, StatusReads } from "./status-reads.ts";

/** Lets failed changes be sent again, within a transaction. @param key null: of all memories. @returns them, with the reasons for which they had failed. */
export function sendFailedAgain(status: StatusReads, outbox: Outbox, key: MemoryKey | null): QueueItem[] {
  const failed = status.failedOf(key);
  for (const item of failed) outbox.sendAgain(item.key);
  return failed;
}
