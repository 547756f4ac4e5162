/** A place in the console, as the fragment of the address has it: `#/memories/agents/m-1?versions=2..3`. */
export interface Place {
  readonly page: string;
  /** Behind the page's name. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

const HOME: Place = { page: "overview", path: [], query: new URLSearchParams() };

/** A fragment that is no place leads to the page `not-found`. */
export function parsePlace(fragment: string): Place {
  const [, path = "", query = ""] = /^#?\/?([^?]*)\??(.*)$/s.exec(fragment) ?? [];
  if (path === "") return HOME;
  try {
    const [page = "", ...rest] = path.split("/").map(decodeURIComponent);
    return { page, path: rest, query: new URLSearchParams(query) };
  } catch (error) {
    if (error instanceof URIError) return { page: "not-found", path: [], query: new URLSearchParams() };
    throw error;
  }
}

/** The fragment of a place, for a link. */
export function linkTo(
  page: string,
  path: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return `#/${[page, ...path].map(encodeURIComponent).join("/")}${search === "" ? "" : `?${search}`}`;
}
