import { type MnemosyncError, StoreRefusedError, ValidationError } from "../domain/errors.ts";
import { classifyPostgresError } from "../drivers/postgres/postgres-errors.ts";
import type { KeyClaim } from "../ledger/idempotency-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { urgentTurn } from "../runtime/turns.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { AttemptChunk, AttemptResult, Chunk, CommittedChunk } from "./attempt.ts";
import type { SyncOutcome } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
import type { WriteIntent } from "./plan.ts";
import type { Publisher } from "./publisher.ts";
import type { CallBegin, Probed, StoreGate } from "./store-gate.ts";

/**
 * The policy for writes while a projection is away: write without it and let the backlog bring it up to date, or fail and
 * change nothing.
 */
export type OnStoreDown = "degrade" | "reject";

export interface WriterParts {
  readonly attempt: AttemptChunk;
  readonly publisher: Pick<Publisher, "publish">;
  readonly outcomes: Outcomes;
  readonly ledger: Pick<LedgerStore, "recordRollback">;
  readonly ledgerGate: StoreGate<Probed>;
  readonly gates: readonly StoreGate[];
  readonly log: Log;
  readonly onStoreDown: OnStoreDown;
  /** Attempts after the first, for failures that may pass. */
  readonly retriesMax: number;
  /** Milliseconds before the first repeat, at most; doubles with each, up to 2 s, times a random part (full jitter). */
  readonly retryDelayMs: number;
}

export interface ChunkOptions {
  /** All or nothing: no memory is isolated from its chunk, and a conflict of one fails all. @default false */
  readonly atomic?: boolean;
  /** Binds the write to an idempotency key. @default null */
  readonly claim?: KeyClaim | null;
}

/** Milliseconds between two attempts, at most. */
const RETRY_DELAY_MAX_MS = 2_000;

/** Memories whose outcomes are made in the turn of the event loop in which the last store answered. */
const ANSWERED_IN_ONE_TURN_MAX = 128;

/** Attempts in a row that may be raced before that counts as a failure. */
const RACES_MAX = 50;

/** State of the loop over attempts. */
interface Course {
  /** Projections that would not prepare: under `degrade` the chunk does without them. */
  readonly excluded: Set<StoreGate>;
  /** Failed attempts since the last projection was excluded. */
  failures: number;
  /** Attempts in a row that were raced. */
  races: number;
  optimistic: boolean;
  guessesNew: boolean;
}

/** How a chunk ended: with outcomes, or with an error that all its memories share. */
type Ending = { readonly outcomes: SyncOutcome[] } | { readonly error: MnemosyncError };

/**
 * Writes chunks in a loop over attempts. The attempt implements the protocol and returns its result; only the loop decides
 * the next step.
 *
 *   committed ──────────────► publish, answer
 *   repeated, conflict ─────► answer
 *   key_reused ─────────────► fail
 *   raced, copy_refused ────► again at once, by the statement that reports the reason
 *   guessed_wrong ──────────► again at once, behind the rows' locks
 *   prepare_failed ─────────► again after a pause; at last without that store (`degrade`), or fail (`reject`)
 *   failed ─────────────────► again after a pause while it may pass; at last each half by itself where a memory is at fault
 */
export class Writer {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Writes distinct memories as one transaction. Never rejects: one outcome per intent, in order. */
  async write(intents: readonly WriteIntent[], options: ChunkOptions = {}): Promise<SyncOutcome[]> {
    const { atomic = false, claim = null } = options;
    const ending = await this.#untilEnded({ intents, atomic, claim });
    if ("outcomes" in ending) return ending.outcomes;
    const { error } = ending;
    if (!atomic && claim === null && intents.length > 1 && isPoisoned(error)) {
      // One memory is at fault. Halving isolates it in a few steps, and the others are written.
      const middle = intents.length >> 1;
      const first = await this.write(intents.slice(0, middle), options);
      return first.concat(await this.write(intents.slice(middle), options));
    }
    this.#parts.log.warn({ memories: intents.length, code: error.code, error: error.message }, "write.failed");
    return intents.map((intent) => this.#parts.outcomes.failed(intent.key, error));
  }

  /** The loop. It ends: each turn counts a failure, counts a race, excludes a projection, or gives up optimism or a guess. */
  async #untilEnded(chunk: Chunk): Promise<Ending> {
    const { outcomes, onStoreDown } = this.#parts;
    const { intents } = chunk;
    const course: Course = { excluded: new Set(), failures: 0, races: 0, optimistic: true, guessesNew: true };
    for (;;) {
      const result = await this.#attempt(chunk, course);
      switch (result.kind) {
        case "committed":
          return { outcomes: await this.#publish(intents, result.chunk) };
        case "repeated":
          return { outcomes: outcomes.repeated(intents, result.first, result.pending) };
        case "key_reused":
          return { error: result.error };
        case "conflict":
          return { outcomes: outcomes.atomicConflict(intents, result.decisions) };
        case "copy_refused":
          course.optimistic = false;
          break;
        case "guessed_wrong":
          course.guessesNew = false;
          break;
        case "raced": {
          // Each time at least one more of the memories has a row to lock, so another attempt gets further.
          course.optimistic = false;
          if (++course.races <= RACES_MAX) break;
          const error = racedTooOften(course.races);
          if (!(await this.#mayRepeat(error, course))) return { error };
          break;
        }
        case "prepare_failed":
          if (await this.#mayRepeat(result.error, course)) break;
          if (onStoreDown === "reject") return { error: result.error };
          course.excluded.add(result.gate);
          course.failures = 0;
          break;
        case "failed":
          if (!(await this.#mayRepeat(result.error, course))) return { error: result.error };
          break;
      }
    }
  }

  /** One attempt, without the stores that are known to be away. */
  async #attempt(chunk: Chunk, course: Course): Promise<AttemptResult> {
    const { ledgerGate, onStoreDown } = this.#parts;
    if (!ledgerGate.allows()) return { kind: "failed", error: ledgerGate.refusal() };
    const gates: StoreGate[] = [];
    for (const gate of this.#parts.gates) {
      if (course.excluded.has(gate)) continue;
      if (gate.allows()) gates.push(gate);
      else if (onStoreDown === "reject") return { kind: "failed", error: gate.refusal() };
    }
    const preparesAll = onStoreDown === "reject";
    const { optimistic, guessesNew } = course;
    const plan = { transactionId: newUlid(), gates, optimistic, guessesNew, preparesAll };
    const begun = ledgerGate.begin();
    const result = await this.#parts.attempt(chunk, plan);
    this.#judge(result, begun);
    if (result.kind === "prepare_failed" || (result.kind === "failed" && result.error.code === "STORE_REFUSED"))
      await this.#recordRollback(plan.transactionId, chunk, result.error);
    return result;
  }

  /** Counts a failure, and waits before the next attempt. @returns whether there is one. */
  async #mayRepeat(error: MnemosyncError, course: Course): Promise<boolean> {
    const { retriesMax, retryDelayMs: baseMs } = this.#parts;
    course.failures++;
    course.races = 0;
    if (course.failures > retriesMax || !error.retryable) return false;
    await pause(backoffMs(course.failures, { baseMs, maxMs: RETRY_DELAY_MAX_MS }), NEVER);
    return true;
  }

  /** Reports the result to the gates of the stores. @param begun when the ledger was asked. */
  #judge(result: AttemptResult, begun: CallBegin): void {
    const { ledgerGate } = this.#parts;
    if (result.kind === "prepare_failed") result.gate.failed(result.error, result.begun);
    else if (result.kind !== "failed") ledgerGate.succeeded();
    else if (result.error.code === "STORE_UNAVAILABLE") ledgerGate.failed(result.error, begun);
  }

  /** Keeps a failed attempt for operators; the caller gets the reason either way. */
  async #recordRollback(transactionId: string, { intents }: Chunk, { message: reason }: MnemosyncError): Promise<void> {
    try {
      const keys = intents.map((intent) => intent.key);
      await this.#parts.ledger.recordRollback({ transactionId, keys, reason }, AbortSignal.timeout(2_000));
    } catch (error) {
      this.#parts.log.debug({ transactionId, error: (error as Error).message }, "write.rollback_record_failed");
    }
  }

  async #publish(intents: readonly WriteIntent[], chunk: CommittedChunk): Promise<SyncOutcome[]> {
    const { publisher, outcomes } = this.#parts;
    const { stores, unattached } = await publisher.publish(chunk);
    if (intents.length > ANSWERED_IN_ONE_TURN_MAX) await urgentTurn();
    return intents.map((intent, index) =>
      outcomes.decided(intent, chunk.decisions[index]!, chunk.transactionId, stores, unattached),
    );
  }
}

function racedTooOften(times: number): StoreRefusedError {
  return new StoreRefusedError("postgres", `other transactions created the memories first, ${times} times`, {
    retryable: true,
  });
}

/** Whether the data of some memory of the chunk is at fault, rather than a store. */
function isPoisoned(error: MnemosyncError): boolean {
  if (error instanceof ValidationError) return true;
  return error.code === "STORE_REFUSED" && classifyPostgresError(error.cause) === "data";
}
