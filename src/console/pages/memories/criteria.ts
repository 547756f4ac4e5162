/** What the reader looks for, as the address has it. */
export interface Criteria {
  readonly text: string;
  readonly mode: Mode;
  /** What the id begins with. */
  readonly id: string;
  readonly type: string;
  readonly privacy: string;
  readonly importanceMin: string;
  readonly order: string;
  /** A filter in the language of the service, as JSON. */
  readonly where: string;
}

export const MODES = ["hybrid", "vector", "text"] as const;
export type Mode = (typeof MODES)[number];

export const ORDERS = [
  { value: "memoryId", text: "Id" },
  { value: "memoryId desc", text: "Id, from the end" },
  { value: "modifiedAt desc", text: "Last changed first" },
  { value: "modifiedAt", text: "First changed first" },
  { value: "createdAt desc", text: "Newest first" },
  { value: "createdAt", text: "Oldest first" },
  { value: "importance desc", text: "Most important first" },
  { value: "importance", text: "Least important first" },
] as const;

const DEFAULTS: Criteria = {
  text: "",
  mode: "hybrid",
  id: "",
  type: "",
  privacy: "",
  importanceMin: "",
  order: "memoryId",
  where: "",
};

export function criteriaOf(query: URLSearchParams): Criteria {
  const given = (name: keyof Criteria) => query.get(name) ?? DEFAULTS[name];
  const mode = MODES.find((known) => known === query.get("mode")) ?? DEFAULTS.mode;
  const order = ORDERS.find(({ value }) => value === query.get("order"))?.value ?? DEFAULTS.order;
  return {
    text: given("text"),
    mode,
    id: given("id"),
    type: given("type"),
    privacy: given("privacy"),
    importanceMin: given("importanceMin"),
    order,
    where: given("where"),
  };
}

/** What differs from the defaults: the address stays short. */
export function queryOf(criteria: Criteria): Record<string, string> {
  const changed = Object.entries(criteria).filter(([name, value]) => value !== DEFAULTS[name as keyof Criteria]);
  return Object.fromEntries(changed);
}

/** Whether anything narrows the list. */
export function isNarrowed({ id, type, privacy, importanceMin, where }: Criteria): boolean {
  return [id, type, privacy, importanceMin, where].some((value) => value.trim() !== "");
}

/** Why the filter cannot be sent; null: it can. */
export function flawOf({ where, importanceMin }: Criteria): { field: "where" | "importanceMin"; text: string } | null {
  if (importanceMin !== "" && !(Number(importanceMin) >= 0 && Number(importanceMin) <= 1)) {
    return { field: "importanceMin", text: `Found ${importanceMin}; expected a number from 0 to 1.` };
  }
  if (where.trim() === "") return null;
  try {
    const value: unknown = JSON.parse(where);
    const isFilter = typeof value === "object" && value !== null && !Array.isArray(value);
    return isFilter ? null : { field: "where", text: 'Expected an object, e.g. {"metadata.user": {"eq": "Ada"}}.' };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { field: "where", text: `This is no JSON: ${error.message}.` };
  }
}

/** The filter in the language of the service; undefined: every memory. Only of criteria without a flaw. */
export function filterOf({ id, type, privacy, importanceMin, where }: Criteria): object | undefined {
  const simple = {
    ...(id !== "" && { memoryId: { prefix: id } }),
    ...(type.trim() !== "" && { memoryType: { eq: type.trim() } }),
    ...(privacy !== "" && { privacy: { eq: privacy } }),
    ...(importanceMin !== "" && { importance: { gte: Number(importanceMin) } }),
  };
  const own = where.trim() === "" ? null : (JSON.parse(where) as object);
  const parts = [simple, own].filter((part) => part !== null && Object.keys(part).length > 0) as object[];
  return parts.length > 1 ? { and: parts } : parts[0];
}
