import { InvalidNamespaceError } from "@langchain/langgraph-checkpoint";

/**
 * Items as memories: `["users", "ada"]`, `prefs` has the id `users/ada//prefs`. Labels are never empty, so the double slash ends the
 * path; what lies under a path is a range of ids, which the ledger reads by its primary key.
 */

/** The first character behind a slash: ids below `a/` end before `a0`. */
const AFTER_SLASH = "0";

export interface ItemName {
  readonly path: string[];
  readonly key: string;
}

export function idOf(path: readonly string[], key: string): string {
  return `${path.map(escaped).join("/")}//${escaped(key)}`;
}

/** Null: the memory is no item. */
export function nameOf(id: string): ItemName | null {
  const end = id.indexOf("//");
  if (end <= 0) return null;
  return { path: id.slice(0, end).split("/").map(plain), key: plain(id.slice(end + 2)) };
}

/** The common prefix of the ids of all items at this path and at deeper ones. */
export function prefixOf(path: readonly string[]): string {
  return path.map((label) => `${escaped(label)}/`).join("");
}

/** The first id behind all items under a path. */
export function behind(path: readonly string[]): string {
  return `${path.map(escaped).join("/")}${AFTER_SLASH}`;
}

/** The first id behind the items of a path itself; deeper ones lie before and behind. */
export function behindOwn(path: readonly string[]): string {
  return `${path.map(escaped).join("/")}/${AFTER_SLASH}`;
}

/** As the base class does for single calls: `batch` gets operations that nobody has looked at. @throws {InvalidNamespaceError} */
export function checkPath(path: readonly string[], what: "an item" | "a search"): void {
  if (path.length === 0 && what === "an item") throw new InvalidNamespaceError("Namespace cannot be empty.");
  for (const label of path) {
    if (typeof label !== "string" || label === "" || /[.:\0]/.test(label)) {
      throw new InvalidNamespaceError(
        `Invalid namespace label ${JSON.stringify(label)} in ${JSON.stringify(path)}: expected a text that is not empty, without periods, colons and NUL`,
      );
    }
  }
}

function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("/", "%2F");
}

function plain(text: string): string {
  return text.replaceAll("%2F", "/").replaceAll("%25", "%");
}
