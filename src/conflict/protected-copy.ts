import type { Candidate, Conflict, ConflictBase } from "./strategy.ts";

/**
 * A copy of a conflict that a user's strategy cannot change: deeply frozen, so that an attempt throws. JavaScript cannot
 * freeze embeddings: they are copies, and a change to one has no effect elsewhere.
 */
export function protectedCopy(conflict: Conflict): Conflict {
  return Object.freeze({
    namespace: conflict.namespace,
    memoryId: conflict.memoryId,
    kind: conflict.kind,
    base: conflict.base === null ? null : copySide(conflict.base),
    candidates: Object.freeze(conflict.candidates.map(copySide)),
    precedence: Object.freeze([...conflict.precedence]),
  });
}

function copySide<Side extends Candidate | ConflictBase>(side: Side): Side {
  const { embedding, ...rest } = side;
  // The embedding apart: structuredClone would copy the whole buffer that it is a view of.
  return Object.freeze({ ...deepFreeze(structuredClone(rest)), embedding: embedding?.slice() ?? null }) as Side;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
