import { MnemosyncError } from "../../domain/errors.ts";

/**
 * Reasons for which one change is not applied and never will be as it is (`rejected`).
 *
 * - `VALIDATION`: the memory breaks a rule of the hub, a limit of its size among them.
 * - `SYNC_PAYLOAD`: the change breaks a rule of the protocol, e.g. it raises the privacy of a memory without a `withdraw`.
 * - `FORBIDDEN`: the key may not write to this namespace.
 * - `ERASED`: the memory was erased. The device removes all that it keeps of it, the change included.
 * - `WITHDRAWN`: the memory was withdrawn by its origin, and this device is not the origin.
 * - `IDEMPOTENCY_KEY_REUSED`: the key belongs to another change.
 * - `SYNC_SETTLED`: the device called the key settled before: this is a late copy, or the key should have been a new one.
 * - `QUOTA_MEMORIES`: the tenant stores as many memories as it may.
 * - `STORE_REFUSED`: the ledger refuses the data of the memory.
 */
export const REJECTED_CODES = [
  "VALIDATION",
  "SYNC_PAYLOAD",
  "FORBIDDEN",
  "ERASED",
  "WITHDRAWN",
  "IDEMPOTENCY_KEY_REUSED",
  "SYNC_SETTLED",
  "QUOTA_MEMORIES",
  "STORE_REFUSED",
] as const;
export type RejectedCode = (typeof REJECTED_CODES)[number];

/**
 * Reasons for which a change was not applied now (`retry`). With `COMMIT_OUTCOME_UNKNOWN` it may have been: the repeat finds
 * out.
 *
 * - `QUOTA_CHANGES`, `QUOTA_BYTES`: the device or the tenant sends more per second than it may.
 * - `QUOTA_KEYS`: the hub keeps as many answers for the device as it may: settle some.
 */
export const RETRY_CODES = [
  "STORE_UNAVAILABLE",
  "STORE_REFUSED",
  "QUEUE_FULL",
  "DEADLINE_EXCEEDED",
  "COMMIT_OUTCOME_UNKNOWN",
  "EMBEDDING_FAILED",
  "QUOTA_CHANGES",
  "QUOTA_BYTES",
  "QUOTA_KEYS",
  "INTERNAL",
] as const;
export type RetryCode = (typeof RETRY_CODES)[number];

/**
 * Reasons for which a call as a whole fails.
 *
 * - `SYNC_CONNECTION`: no answer, or the hub cannot serve now (5xx, 429). The outbox waits, and no change loses an attempt.
 * - `SYNC_BATCH`: the hub refuses the request as it is: too many changes, too many bytes, malformed. Send smaller batches.
 * - `UNAUTHENTICATED`, `FORBIDDEN`: the key is unknown, revoked or expired, or lacks the right.
 * - `DEVICE_REVOKED`: an administrator revoked the device.
 * - `PROTOCOL_UNSUPPORTED`: the hub speaks none of the versions that were offered.
 * - `RESYNC_REQUIRED`: the cursor is of another epoch, or behind pruned tombstones.
 * - `INTERNAL`: the hub answered something that is not of this protocol.
 */
export const HUB_ERROR_CODES = [
  "SYNC_CONNECTION",
  "SYNC_BATCH",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "DEVICE_REVOKED",
  "PROTOCOL_UNSUPPORTED",
  "RESYNC_REQUIRED",
  "INTERNAL",
] as const;
export type HubErrorCode = (typeof HUB_ERROR_CODES)[number];

/** Why a device must read everything anew. */
export type ResyncReason = "epoch" | "tombstones";

/** A call to the hub failed as a whole. */
export class HubError extends MnemosyncError {
  readonly code: HubErrorCode;
  readonly retryable: boolean;
  /** Milliseconds to wait before the next call, as the hub asks for. Null: it says nothing. */
  readonly retryAfterMs: number | null;
  /** With `RESYNC_REQUIRED`. */
  readonly resync: { readonly reason: ResyncReason; readonly epoch: string } | null;

  constructor(
    code: HubErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly retryAfterMs?: number | null;
      readonly resync?: { readonly reason: ResyncReason; readonly epoch: string };
    } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryable = code === "SYNC_CONNECTION";
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.resync = options.resync ?? null;
  }
}

/** One change is not applied, and never will be as it is. */
export class ChangeRefusedError extends MnemosyncError {
  readonly code = "SYNC_PAYLOAD";
  readonly retryable = false;
  /** What the device is answered. */
  readonly rejected: RejectedCode;
  constructor(rejected: RejectedCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.rejected = rejected;
  }
}
