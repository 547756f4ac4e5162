import { compareVectors } from "../domain/version-vector.ts";
import { latestWins } from "./latest-wins.ts";
import type { Candidate, ConflictStrategy } from "./strategy.ts";

/**
 * The candidate that dominates all others wins whole: it includes every write of theirs. Where no candidate does
 * (concurrent writes, equal vectors, an unknown vector), `fallback` decides between the candidates that no other dominates.
 * @param name under which it is logged and registered: another name lets a registry hold several fallbacks.
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

/** How two candidates of which neither dominates the other relate, for people. */
function relation(a: Candidate, b: Candidate): string {
  if (a.versionVector === null) return `${a.store} keeps no version vector`;
  if (b.versionVector === null) return `${b.store} keeps no version vector`;
  const equal = compareVectors(a.versionVector, b.versionVector) === "equal";
  return `${a.store} and ${b.store} have ${equal ? "equal version vectors" : "concurrent writes"}`;
}
