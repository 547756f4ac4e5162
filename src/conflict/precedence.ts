import { ConfigurationError } from "../domain/errors.ts";
import { isStoreId, type StoreId } from "../domain/store-id.ts";
import type { Candidate, CandidateSource, Conflict } from "./strategy.ts";

/**
 * Candidates, newest first: by `modifiedAt` (a candidate without one is older than any that has it), then by version, then
 * in the order of `precedence`. A total order, since each store has one candidate at most.
 */
export function newestFirst({ candidates, precedence }: Conflict): Candidate[] {
  return [...candidates].sort(
    (a, b) =>
      descending(modificationTime(a), modificationTime(b)) ||
      b.version - a.version ||
      bySource(precedence, a.store, b.store),
  );
}

/** Sources that `precedence` leaves out come last, by name. */
function bySource(precedence: readonly CandidateSource[], a: CandidateSource, b: CandidateSource): number {
  const rank = (source: CandidateSource): number => {
    const index = precedence.indexOf(source);
    return index === -1 ? precedence.length : index;
  };
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

/** Which rule put the first of `sorted` before the second, for people. */
export function precedenceReason(sorted: readonly Candidate[]): string {
  const [first, second] = sorted;
  if (first === undefined) return "there is no candidate";
  if (second === undefined) return `only ${first.store} holds it`;
  const firstTime = modificationTime(first);
  const secondTime = modificationTime(second);
  if (firstTime !== secondTime) {
    const since = secondTime === UNKNOWN_TIME ? `${second.store} keeps no time` : `${firstTime - secondTime} ms later`;
    return `${first.store} was modified last (${since})`;
  }
  const times = firstTime === UNKNOWN_TIME ? "no modification time is known" : "modified at the same time";
  if (first.version !== second.version) return `${times}; ${first.store} has the higher version, ${first.version}`;
  return `${times}, same version; ${first.store} goes before ${second.store}`;
}

/**
 * @param known the stores of this deployment; null: any id is accepted.
 * @throws {ConfigurationError} The list is empty, holds something that is no store, or one store twice.
 */
export function checkStoreOrder(order: readonly StoreId[], known: readonly StoreId[] | null = null): void {
  const expected = known === null ? "" : `, of ${known.join(", ")}`;
  if (!Array.isArray(order) || order.length === 0) {
    throw new ConfigurationError(`prefer_store needs a list of at least one store${expected}`);
  }
  for (const [index, store] of order.entries()) {
    if (!isStoreId(store) || known?.includes(store) === false) {
      const stores = known === null ? "expected the id of a store" : `there are ${known.join(", ")}`;
      throw new ConfigurationError(`prefer_store: ${JSON.stringify(store)} is no store; ${stores}`);
    }
    if (order.indexOf(store) !== index)
      throw new ConfigurationError(`prefer_store names ${store} twice: once is enough`);
  }
}

const UNKNOWN_TIME = Number.NEGATIVE_INFINITY;

/** A store may hold any text as its time: a time that is no finite number counts as none. */
function modificationTime(candidate: Candidate): number {
  return candidate.modifiedAt !== null && Number.isFinite(candidate.modifiedAt) ? candidate.modifiedAt : UNKNOWN_TIME;
}

/** Not by subtraction: two unknown times would differ by NaN. */
function descending(a: number, b: number): number {
  return a === b ? 0 : a < b ? 1 : -1;
}
