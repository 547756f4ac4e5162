import { MemoryValidator } from "../domain/schema.ts";
import { isTimeout, untilAborted, withDeadline } from "../runtime/deadline.ts";
import { protectedCopy } from "./protected-copy.ts";
import { checkResolution, storableNote } from "./resolution.ts";
import { CONFLICT_DEFAULTS } from "./settings.ts";
import type { Conflict, ConflictStrategy, Resolution } from "./strategy.ts";

export interface DecideOptions {
  /**
   * Milliseconds that a strategy may take: 1 … 2_147_483_647. A strategy that blocks the event loop cannot be interrupted.
   * @default 5_000
   */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Checks a content that a strategy writes, against the bounds and the vector index. @default bounds only */
  readonly validator?: MemoryValidator;
}

/**
 * Asks a strategy without trusting it: it receives a frozen copy and a time limit, and its answer is checked. A strategy
 * that throws, exceeds the limit or returns no resolution leaves the conflict pending, with the reason as its note.
 * Rejects only with the reason of `signal`.
 */
export async function decide(
  strategy: ConflictStrategy,
  conflict: Conflict,
  options: DecideOptions = {},
): Promise<Resolution> {
  const { timeoutMs = CONFLICT_DEFAULTS.strategyTimeoutMs, signal, validator = new MemoryValidator() } = options;
  signal?.throwIfAborted();
  const unfit = unfitness(conflict);
  if (unfit !== null) return pending(unfit);
  let timedOut = false;
  try {
    const answer = await withDeadline(timeoutMs, signal, async (limited) => {
      try {
        return await untilAborted(ask(strategy, protectedCopy(conflict), limited), limited);
      } finally {
        timedOut = signal?.aborted !== true && limited.aborted && isTimeout(limited);
      }
    });
    return checkResolution(answer, conflict, validator);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (timedOut) return pending(`strategy ${strategy.name} did not answer within ${timeoutMs} ms`);
    return pending(`strategy ${strategy.name} failed: ${reasonOf(error)}`);
  }
}

/** Async, so that a strategy that throws at once rejects like one that throws later. */
async function ask(strategy: ConflictStrategy, conflict: Conflict, signal: AbortSignal): Promise<unknown> {
  return await strategy.resolve(conflict, signal);
}

/** Why no strategy can decide this conflict; null for a sound one. */
function unfitness({ candidates }: Conflict): string | null {
  if (candidates.length === 0) return "no store holds the memory: there is no candidate to decide between";
  const stores = candidates.map((candidate) => candidate.store);
  const repeated = stores.find((store, index) => stores.indexOf(store) !== index);
  return repeated === undefined ? null : `two candidates are of ${repeated}, so choosing one would be ambiguous`;
}

function pending(note: string): Resolution {
  return { action: "pending", note: storableNote(note) };
}

/** A thrown value need not be an error, and turning it into text may throw again. */
function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  } catch {
    return "it threw something that has no text";
  }
}
