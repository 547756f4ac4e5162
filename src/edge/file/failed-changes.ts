import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { Outbox } from "./outbox.ts";
import type { QueueItem, StatusReads } from "./status-reads.ts";

const QUEUE_MAX = 10_000;

/** Lets failed changes be sent again, within a transaction. @param key null: of all memories. @returns them, with the reasons for which they had failed. */
export function sendFailedAgain(status: StatusReads, outbox: Outbox, key: MemoryKey | null): QueueItem[] {
  const failed = status.queue("failed", QUEUE_MAX).filter((item) => key === null || keyText(item) === keyText(key));
  for (const item of failed) outbox.sendAgain(item.key);
  return failed;
}
