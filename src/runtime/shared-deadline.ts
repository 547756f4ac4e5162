import { withDeadline } from "./deadline.ts";
import { isDueWithin, LinkedAbort } from "./linked-abort.ts";

/** Calls within this part of their time share a deadline: none of them ends later by more than it. */
const GRANULARITY = 1 / 64;
/** Milliseconds; below, a deadline of its own is worth its price. */
const SHARED_MIN_MS = 500;
/** Lengths of time that are kept; callers may give any. */
const KEPT_MAX = 32;

/**
 * A deadline that many calls share: making an AbortSignal and a timer costs several microseconds, which is a tenth of a
 * read. Only time makes it fire.
 */
class SharedDeadline {
  readonly #abort: LinkedAbort;
  readonly #joinUntil: number;
  #users = 0;
  #isRetired = false;

  constructor(milliseconds: number) {
    const graceMs = milliseconds * GRANULARITY;
    this.#joinUntil = performance.now() + graceMs;
    this.#abort = new LinkedAbort(undefined, milliseconds + graceMs);
    this.#abort.unref();
    shared.add(this.#abort.signal);
  }

  get isJoinable(): boolean {
    return performance.now() <= this.#joinUntil;
  }

  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // The timer does not keep the process alive: the calls that share it do.
    if (this.#users++ === 0) this.#abort.ref();
    try {
      return await work(this.#abort.signal);
    } finally {
      if (--this.#users === 0) this.#rest();
    }
  }

  /** No further call joins: the timer ends with the last one. */
  retire(): void {
    this.#isRetired = true;
    if (this.#users === 0) this.#rest();
  }

  #rest(): void {
    if (this.#isRetired) this.#abort.release();
    else this.#abort.unref();
  }
}

/** A signal that never fires. */
export const NEVER: AbortSignal = new AbortController().signal;

/** Signals that only time can fire, or nothing. */
const shared = new WeakSet<AbortSignal>([NEVER]);
const latest = new Map<number, SharedDeadline>();

/**
 * As `withDeadline`, for calls that are made many times a second. A call without a signal of its caller shares its deadline
 * with others, which may fire up to a 64th later than asked for.
 */
export function withSharedDeadline<T>(
  milliseconds: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Calls nest: most inner ones have no earlier deadline than the one that they are given.
  if (parent !== undefined && isDueWithin(parent, milliseconds)) return work(parent);
  if (milliseconds < SHARED_MIN_MS || (parent !== undefined && !shared.has(parent))) {
    return withDeadline(milliseconds, parent, work);
  }
  let deadline = latest.get(milliseconds);
  if (deadline === undefined || !deadline.isJoinable) {
    deadline?.retire();
    deadline = new SharedDeadline(milliseconds);
    latest.set(milliseconds, deadline);
    if (latest.size > KEPT_MAX) retireEldest();
  }
  return deadline.run(work);
}

function retireEldest(): void {
  for (const [milliseconds, deadline] of latest) {
    latest.delete(milliseconds);
    deadline.retire();
    return;
  }
}
