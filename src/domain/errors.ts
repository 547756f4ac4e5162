import type { StoreId } from "./store-id.ts";

/** Stable names of everything that can go wrong. Callers branch on these, never on a message. */
export type ErrorCode =
  | "VALIDATION"
  | "VERSION_CONFLICT"
  | "STORE_UNAVAILABLE"
  | "STORE_REFUSED"
  | "STORE_FOREIGN"
  | "COMMIT_OUTCOME_UNKNOWN"
  | "IDEMPOTENCY_KEY_REUSED"
  | "QUEUE_FULL"
  | "DEADLINE_EXCEEDED"
  | "ABORTED"
  | "CLOSED"
  | "NOT_FOUND"
  | "CONFIGURATION"
  | "SCHEMA_TOO_NEW"
  | "EMBEDDING_FAILED"
  | "EPOCH_CHANGED"
  | "ERASED"
  | "SYNC_CONNECTION"
  | "SYNC_BATCH"
  | "SYNC_CONFLICT"
  | "SYNC_RETRIES_EXCEEDED"
  | "SYNC_PAYLOAD"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "DEVICE_REVOKED"
  | "PROTOCOL_UNSUPPORTED"
  | "RESYNC_REQUIRED"
  | "EDGE_FILE"
  | "SERVICE_FAILED"
  | "CONNECTOR_RUNNING"
  | "INTERNAL";

const BRAND = Symbol.for("mnemosync.error");

/** Root of every error that this package throws on purpose. `retryable`: the same call may succeed later. */
export abstract class MnemosyncError extends Error {
  /**
   * Errors of another copy of this package count too: the bundled command line has one copy, and the module of a store
   * that it loads imports another. Below the root, `instanceof` is about one copy: branch on `code`.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // The root alone has the mark itself.
    // biome-ignore lint/complexity/noThisInStatic: the bundle gives the class another name within its own body
    if (Object.hasOwn(this.prototype, BRAND)) return (value as { [BRAND]?: true } | null | undefined)?.[BRAND] === true;
    // biome-ignore lint/complexity/noThisInStatic: `this` is the subclass that is asked
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }
  abstract readonly code: ErrorCode;
  abstract readonly retryable: boolean;
  override get name(): string {
    return this.constructor.name;
  }
}

Object.defineProperty(MnemosyncError.prototype, BRAND, { value: true });

/** Characters of a path that an error repeats. A field's name comes from the caller and may be a megabyte long. */
const PATH_LENGTH_MAX = 1_000;

/** Characters of a validation error's message, its path apart. */
const REASON_LENGTH_MAX = 2_000;

/** The input breaks a rule of the memory's schema or of the index. Nothing was written. */
export class ValidationError extends MnemosyncError {
  readonly code = "VALIDATION";
  readonly retryable = false;
  /**
   * Path of the offending field, e.g. `metadata.tags[2]`; empty when the memory as a whole is meant. Cut after 1,000
   * characters.
   */
  readonly path: string;
  constructor(path: string, message: string, options?: ErrorOptions) {
    const shownPath = shortened(path, PATH_LENGTH_MAX);
    const reason = shortened(message, REASON_LENGTH_MAX);
    super(shownPath === "" ? reason : `${shownPath}: ${reason}`, options);
    this.path = shownPath;
  }
}

/** The text, cut after `lengthMax` characters, with an ellipsis in place of the rest. */
export function shortened(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  // A copy through a buffer: a slice of a long string keeps the whole string in memory. Half a character becomes U+FFFD.
  return `${Buffer.from(text.slice(0, lengthMax), "utf8").toString("utf8")}…`;
}

/** A store gave no usable answer in time. A write that was on its way may or may not have happened there. */
export class StoreUnavailableError extends MnemosyncError {
  readonly code = "STORE_UNAVAILABLE";
  readonly retryable = true;
  readonly store: StoreId;
  constructor(store: StoreId, message: string, options?: ErrorOptions) {
    super(`${store} is unavailable: ${message}`, options);
    this.store = store;
  }
}

/** A store answered and said no (no memory left, read-only, no permission, disk error). Needs an operator. */
export class StoreRefusedError extends MnemosyncError {
  readonly code = "STORE_REFUSED";
  readonly retryable: boolean;
  readonly store: StoreId;
  constructor(store: StoreId, message: string, options?: ErrorOptions & { retryable?: boolean }) {
    super(`${store} refused: ${message}`, options);
    this.store = store;
    this.retryable = options?.retryable ?? false;
  }
}

/**
 * A store bears another epoch of the ledger than the changes that were to be published: the ledger was put back, and the
 * store or this process knows it already, and the other one not yet. The store is not at fault.
 */
export class StoreEpochError extends StoreRefusedError {
  constructor(store: StoreId, published: string, found: string, options?: ErrorOptions) {
    const message = `the changes are of epoch ${published} of the ledger, and it bears epoch ${found}: publish what the ledger holds now`;
    super(store, message, { ...options, retryable: true });
  }
}

/** A store is the copy of another ledger. It is neither read nor written. */
export class StoreForeignError extends MnemosyncError {
  readonly code = "STORE_FOREIGN";
  readonly retryable = false;
  readonly store: StoreId;
  constructor(store: StoreId, message: string, options?: ErrorOptions) {
    super(`${store} belongs to another ledger: ${message}`, options);
    this.store = store;
  }
}

/** COMMIT was sent and Postgres stayed away since: the transaction may or may not be committed. Nothing was published. */
export class CommitOutcomeUnknownError extends MnemosyncError {
  readonly code = "COMMIT_OUTCOME_UNKNOWN";
  readonly retryable = false;
  readonly transactionId: string;
  constructor(transactionId: string, options?: ErrorOptions) {
    super(
      `the outcome of transaction ${transactionId} is unknown: Postgres was lost while it committed and did not come ` +
        "back in time. Read the memories before you write them again; if it was committed, the backlog publishes it",
      options,
    );
    this.transactionId = transactionId;
  }
}

/** The idempotency key belongs to another request of the same namespace and caller. Nothing was written. */
export class IdempotencyKeyReusedError extends MnemosyncError {
  readonly code = "IDEMPOTENCY_KEY_REUSED";
  readonly retryable = false;
  constructor(key: string) {
    super(
      `the idempotency key ${JSON.stringify(key)} was used for another request: repeat that request as it was, or use a ` +
        "new key for a new write",
    );
  }
}

/** A bounded queue of waiting work is full: for a write, since the caller asked not to wait. Nothing was written. */
export class QueueFullError extends MnemosyncError {
  readonly code = "QUEUE_FULL";
  readonly retryable = true;
  constructor(waiting: number, limit: number, message?: string) {
    super(
      message ?? `${waiting} memories wait already and the limit is ${limit}: slow down, or call without wait: false`,
    );
  }
}

/** The call's deadline passed before its outcome was known. */
export class DeadlineExceededError extends MnemosyncError {
  readonly code = "DEADLINE_EXCEEDED";
  readonly retryable = true;
  constructor(what: string, deadlineMs: number, options?: ErrorOptions & { advice?: string }) {
    const advice = options?.advice === undefined ? "" : `: ${options.advice}`;
    super(`${what} did not finish within ${deadlineMs} ms${advice}`, options);
  }
}

/** The caller's AbortSignal fired. */
export class AbortedError extends MnemosyncError {
  readonly code = "ABORTED";
  readonly retryable = true;
  constructor(what: string, options?: ErrorOptions) {
    super(`${what} was aborted by its caller`, options);
  }
}

/** The object was closed, or is closing, and takes no more work. */
export class ClosedError extends MnemosyncError {
  readonly code = "CLOSED";
  readonly retryable = false;
  constructor(what: string) {
    super(`${what} is closed`);
  }
}

/** The requested object does not exist. */
export class NotFoundError extends MnemosyncError {
  readonly code = "NOT_FOUND";
  readonly retryable = false;
}

/** An option is missing, unknown or out of bounds, or the environment cannot serve it. */
export class ConfigurationError extends MnemosyncError {
  readonly code = "CONFIGURATION";
  readonly retryable = false;
}

/** The database was migrated by a newer program. Nothing was changed. */
export class SchemaTooNewError extends MnemosyncError {
  readonly code = "SCHEMA_TOO_NEW";
  readonly retryable = false;
}

/** The text could not be turned into a vector. Nothing was written. */
export class EmbeddingError extends MnemosyncError {
  readonly code = "EMBEDDING_FAILED";
  readonly retryable: boolean;
  constructor(message: string, options?: ErrorOptions & { retryable?: boolean }) {
    super(message, options);
    this.retryable = options?.retryable ?? false;
  }
}

/**
 * The ledger's history is another one than the cursor's: the database was restored from a backup, or went back in another
 * way. The cursor names no place any more: start again, without one.
 */
export class EpochChangedError extends MnemosyncError {
  readonly code = "EPOCH_CHANGED";
  readonly retryable = false;
  /** The epoch that the cursor belongs to. */
  readonly expectedEpoch: string;
  /** The ledger's epoch. The same as the cursor's where the ledger is behind the cursor. */
  readonly foundEpoch: string;
  constructor(expectedEpoch: string, foundEpoch: string, options?: ErrorOptions) {
    super(
      (expectedEpoch === foundEpoch
        ? `the ledger went back behind the cursor, within epoch ${foundEpoch}`
        : `the ledger's epoch changed from ${expectedEpoch} to ${foundEpoch}`) +
        ": the cursor's history is gone, start again without a cursor",
      options,
    );
    this.expectedEpoch = expectedEpoch;
    this.foundEpoch = foundEpoch;
  }
}

/** The memory was erased, and its id stays suppressed. Nothing was written; `revive` makes the id usable again. */
export class ErasedError extends MnemosyncError {
  readonly code = "ERASED";
  readonly retryable = false;
  readonly namespace: string;
  readonly memoryId: string;
  constructor(namespace: string, memoryId: string) {
    super(
      `memory ${JSON.stringify(memoryId)} of ${namespace} was erased, and its id is suppressed: write under another id, or ` +
        "revive this one first",
    );
    this.namespace = namespace;
    this.memoryId = memoryId;
  }
}

/** A promise of our own was broken: a defect in mnemosync, or damage to what it keeps in the ledger. */
export class InternalError extends MnemosyncError {
  readonly code = "INTERNAL";
  readonly retryable = false;
}
