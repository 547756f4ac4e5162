import { type Identity, mayTouch } from "./keys.ts";
import { HttpProblem } from "./problem.ts";

/** Namespaces that a cursor can be bound to. */
export const NAMESPACES_MAX = 100;

/** The namespaces that a reader is told of, null for all. @throws {HttpProblem} 403, 422. */
export function namespacesOf(
  identity: Identity,
  asked: string | readonly string[] | undefined,
  path = "namespace",
): readonly string[] | null {
  if (asked === undefined) {
    const own = identity.namespaces;
    if (own === null || own.size <= NAMESPACES_MAX) return own === null ? null : [...own];
    const found = `the key is bound to ${own.size} namespaces, and a reader has at most ${NAMESPACES_MAX}`;
    throw new HttpProblem(422, "VALIDATION", `${found}: name some with ${path}`, { members: { path } });
  }
  const names = typeof asked === "string" ? [asked] : asked;
  if (names.every((name) => mayTouch(identity, name))) return names;
  throw new HttpProblem(403, "FORBIDDEN", "the key is not bound to each of these namespaces");
}
