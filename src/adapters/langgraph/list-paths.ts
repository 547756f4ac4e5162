import type { ListNamespacesOperation, MatchCondition } from "@langchain/langgraph-checkpoint";
import type { Filter, MemorySynchronizer } from "../../index.ts";
import { behind, behindOwn, nameOf, prefixOf } from "./item-id.ts";

/** Items that are looked at before the rest of their path is skipped. */
const PAGE_SIZE = 100;

/**
 * The paths that hold items, in the order of their ids. Reads the beginning of each path and skips the rest of it, so the work goes by the
 * number of paths, not of items; it ends once `offset` and `limit` are satisfied.
 */
export async function listPaths(
  sync: Pick<MemorySynchronizer, "list">,
  namespace: string,
  { matchConditions = [], maxDepth, limit = Number.POSITIVE_INFINITY, offset = 0 }: Partial<ListNamespacesOperation>,
): Promise<string[][]> {
  const found: string[][] = [];
  const prefix = prefixOf(commonPrefix(matchConditions));
  const within: Filter = prefix === "" ? {} : { memoryId: { prefix } };
  let from: string | null = "";
  let last: string | null = null;
  while (from !== null && found.length < offset + limit) {
    const where: Filter = from === "" ? within : { and: [within, { memoryId: { gte: from } }] };
    const paths: string[][] = await pathsOf(sync, namespace, where);
    for (const path of paths) {
      const shown = maxDepth === undefined ? path : path.slice(0, maxDepth);
      // Paths that are cut to the same one lie beside each other, as far as none between them is left out.
      const name = JSON.stringify(shown);
      if (name === last || !matchConditions.every((condition) => matches(condition, path))) continue;
      last = name;
      found.push(shown);
    }
    from = behindAll(paths.at(-1), maxDepth, last);
  }
  return found.slice(offset, offset + limit);
}

/** The paths of one page of items. An empty page that is not the end is read on. */
async function pathsOf(sync: Pick<MemorySynchronizer, "list">, namespace: string, where: Filter): Promise<string[][]> {
  let cursor: string | undefined;
  for (;;) {
    const page = await sync.list({ namespace, where, limit: PAGE_SIZE, cursor });
    const paths = page.memories.flatMap(({ memoryId }) => {
      const name = nameOf(memoryId);
      return name === null ? [] : [name.path];
    });
    if (paths.length > 0 || page.cursor === null) return paths;
    cursor = page.cursor;
  }
}

/** Where to go on after a page; null: it was the last one. */
function behindAll(path: string[] | undefined, maxDepth: number | undefined, last: string | null): string | null {
  if (path === undefined) return null;
  const shown = maxDepth === undefined ? path : path.slice(0, maxDepth);
  // What is under a path that is cut there, and was found, can only be found again.
  return shown.length < path.length && JSON.stringify(shown) === last ? behind(shown) : behindOwn(path);
}

/** The labels that every path must begin with. */
function commonPrefix(conditions: readonly MatchCondition[]): string[] {
  const prefix = conditions.find(({ matchType }) => matchType === "prefix")?.path ?? [];
  const end = prefix.indexOf("*");
  return end === -1 ? prefix : prefix.slice(0, end);
}

function matches({ matchType, path: wanted }: MatchCondition, path: readonly string[]): boolean {
  if (wanted.length > path.length) return false;
  const start = matchType === "prefix" ? 0 : path.length - wanted.length;
  return wanted.every((label, index) => label === "*" || label === path[start + index]);
}
