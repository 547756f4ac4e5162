import { createHash, randomBytes } from "node:crypto";
import { changeJson } from "../feed/change-json.ts";
import type { ChangeEvent } from "../feed/change-options.ts";
import type { MessageRow } from "../ledger/webhook-message-statements.ts";

/** A message of a subscription that was given up. */
export interface DeadLetter {
  /** Its `webhook-id`. */
  readonly id: string;
  readonly type: string;
  /** Null where it is no change of a memory. */
  readonly memory: { readonly namespace: string; readonly memoryId: string; readonly version: number } | null;
  readonly attempts: number;
  readonly lastError: string | null;
  /** ISO-8601. */
  readonly createdAt: string;
}

/** Type of the messages about memories, with the kind of the change behind it. */
const MEMORY_TYPE = "memory.";

export function memoryType(kind: ChangeEvent["kind"]): string {
  return MEMORY_TYPE + kind;
}

/** The same for each attempt at a change, by whatever node: receivers know a repetition by it. */
export function changeMessageId(
  subscriptionId: string,
  epoch: string,
  change: { namespace: string; memoryId: string; version: number; kind: string },
): string {
  const { namespace, memoryId, version, kind } = change;
  const named = JSON.stringify([subscriptionId, epoch, namespace, memoryId, version, kind]);
  return `msg_${createHash("sha256").update(named).digest("base64url").slice(0, 27)}`;
}

export function newMessageId(): string {
  return `msg_${randomBytes(20).toString("base64url")}`;
}

/** The body of a message about a memory. */
export function changeBody(change: ChangeEvent, withEmbedding: boolean): string {
  const timestamp = new Date(change.modifiedAt).toISOString();
  return JSON.stringify({ type: memoryType(change.kind), timestamp, data: changeJson(change, withEmbedding) });
}

/** The body of any other message. @param at milliseconds since 1970. */
export function serviceBody(type: string, data: object, at: number): string {
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data });
}

export function deadLetterOf({ id, topic, change, attempts, lastError, createdAt }: MessageRow): DeadLetter {
  const memory =
    change === null ? null : { namespace: change.namespace, memoryId: change.memoryId, version: change.version };
  return { id, type: topic, memory, attempts, lastError, createdAt: new Date(Math.floor(createdAt)).toISOString() };
}
