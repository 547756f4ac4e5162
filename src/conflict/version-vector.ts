import { compareVectors } from "../domain/version-vector.ts";
import { latestWins } from "./latest-wins.ts";
import type { Candidate, ConflictStrategy } from "./strategy.ts";

/**
 * The candidate that includes every write of all others wins whole. Where none does (concurrent writes, equal vectors, a
 * candidate whose vector is not known), `fallback` decides between those that no other includes.
 * @param name under which it is logged and registered: another one lets a registry hold several fallbacks.
 */
export function versionVector(fallback: ConflictStrategy = latestWins, name = "version_vector"): ConflictStrategy {
  return {
    name,
    async resolve(conflict, signal) {
      const { candidates } = conflict;
      const undominated = candidates.filter((candidate) => !candidates.some((other) => dominates(other, candidate)));
      const [first, second] = undominated;
      if (first === undefined) return { action: "pending", note: "there is no candidate" };
      if (second === undefined) {
        const note =
          candidates.length === 1 ? `only ${first.store} holds it` : `${first.store} includes all other writes`;
        return { action: "choose", store: first.store, note };
      }
      const answer = await fallback.resolve({ ...conflict, candidates: undominated }, signal);
      const note = `${relation(first, second)}; ${fallback.name}: ${answer.note ?? answer.action}`;
      return { ...answer, note };
    },
  };
}

function dominates(a: Candidate, b: Candidate): boolean {
  return (
    a.versionVector !== null && b.versionVector !== null && compareVectors(a.versionVector, b.versionVector) === "after"
  );
}

/** How two candidates stand to each other of which neither includes the other, for people. */
function relation(a: Candidate, b: Candidate): string {
  if (a.versionVector === null) return `${a.store} keeps no version vector`;
  if (b.versionVector === null) return `${b.store} keeps no version vector`;
  const equal = compareVectors(a.versionVector, b.versionVector) === "equal";
  return `${a.store} and ${b.store} have ${equal ? "equal version vectors" : "concurrent writes"}`;
}
