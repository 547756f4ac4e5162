import { ConfigurationError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Candidate, CandidateSource } from "./strategy.ts";

/** The order of the stores where nothing else decides: the ledger, then what holds whole documents. */
export const STORE_ORDER: readonly StoreId[] = ["postgres", "redis", "faiss"];

/** The same with what comes after all of them: what is not in a store yet. */
export const SOURCE_ORDER: readonly CandidateSource[] = [...STORE_ORDER, "import"];

/**
 * Candidates, newest first: by `modifiedAt` (one without it is older than any that has it), then by version, then in
 * `STORE_ORDER`. A total order, since each store has one candidate at most.
 */
export function newestFirst(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort(
    (a, b) => descending(modificationTime(a), modificationTime(b)) || b.version - a.version || byStore(a, b),
  );
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

/** @throws {ConfigurationError} The list is empty, names something that is no store, or one twice. */
export function checkStoreOrder(order: readonly StoreId[]): void {
  const known = STORE_ORDER.join(", ");
  if (!Array.isArray(order) || order.length === 0) {
    throw new ConfigurationError(`prefer_store needs a list of at least one store, of ${known}`);
  }
  for (const [index, store] of order.entries()) {
    if (!STORE_ORDER.includes(store)) {
      throw new ConfigurationError(`prefer_store: ${JSON.stringify(store)} is no store; there are ${known}`);
    }
    if (order.indexOf(store) !== index)
      throw new ConfigurationError(`prefer_store names ${store} twice: once is enough`);
  }
}

const UNKNOWN_TIME = Number.NEGATIVE_INFINITY;

/** A store may hold any text as its time: what is no finite number counts as none. */
function modificationTime(candidate: Candidate): number {
  return candidate.modifiedAt !== null && Number.isFinite(candidate.modifiedAt) ? candidate.modifiedAt : UNKNOWN_TIME;
}

/** Not by subtraction: two unknown times would differ by NaN. */
function descending(a: number, b: number): number {
  return a === b ? 0 : a < b ? 1 : -1;
}

function byStore(a: Candidate, b: Candidate): number {
  return SOURCE_ORDER.indexOf(a.store) - SOURCE_ORDER.indexOf(b.store);
}
