import type { Filter, Memory } from "../../index.ts";

/**
 * Which documents a search may find: the filter language of `list`, or a function of the memory. In the language a name with a plain value
 * stands for that entry of the metadata: `{ source: "a.txt" }` is `{ "metadata.source": { eq: "a.txt" } }`.
 */
export type MnemosyncFilter =
  | Filter
  | Readonly<Record<string, Plain | object | undefined>>
  | ((memory: Memory) => boolean);

type Plain = string | number | boolean | null;

/** The options of `search` that a filter sets. */
export function filterOptions(filter: MnemosyncFilter | undefined): {
  where?: Filter;
  filter?: (memory: Memory) => boolean;
} {
  if (filter === undefined) return {};
  return typeof filter === "function" ? { filter } : { where: whereOf(filter as Readonly<Record<string, unknown>>) };
}

export function whereOf(filter: Readonly<Record<string, unknown>>): Filter {
  return Object.fromEntries(
    Object.entries(filter).map(([name, test]) => {
      if (test === undefined || (typeof test === "object" && test !== null)) return [name, test];
      return [`metadata[${JSON.stringify(name)}]`, { eq: test }];
    }),
  ) as Filter;
}
