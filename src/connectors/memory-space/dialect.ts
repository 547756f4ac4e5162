import { ServiceError } from "../service/service-error.ts";
import { ALL_TIME, type TimeWindow } from "../time-window.ts";

/**
 * The parameters by which a server filters a listing:
 *
 * - `dates`: `startDate` and `endDate`
 * - `since`: `since`, which some servers ignore
 * - `range`: names of spans only; a listing is then always read as a whole
 *
 * Whatever was asked, the answer is filtered here as well.
 */
export const DIALECTS = ["dates", "since", "range"] as const;
export type Dialect = (typeof DIALECTS)[number];

/** Parameters of a listing. */
export type ListQuery = Readonly<Record<string, string | number>>;

/** Ends of an open window. Items may carry times ahead of the clock. */
const FIRST_TIME = 0;
const LAST_TIME = Date.UTC(2100, 0, 1);
/** A span in which no item can be: a server that answers with one does not filter. */
const BEFORE_ALL: TimeWindow = { from: FIRST_TIME, to: 86_400_000 };

/** The query of a listing. Without `range` a server answers with the last week only. */
export function queryOf(dialect: Dialect, window: TimeWindow, limit: number): ListQuery {
  const { from, to } = finite(window);
  if (dialect === "dates") return { startDate: iso(from), endDate: iso(to), limit };
  if (dialect === "since" && window.from !== null) return { since: iso(from), range: "all", limit };
  return { range: "all", limit };
}

/** The window with both ends. */
export function finite({ from, to }: TimeWindow): { from: number; to: number } {
  return { from: from ?? FIRST_TIME, to: to ?? LAST_TIME };
}

/**
 * Finds out what a server filters by. A filter counts as understood where a span without items gives none, and all time gives
 * some.
 * @param count asks for one item with a query. @returns how many came.
 * @returns null where the space is empty: then nothing can be told, and nothing need be filtered.
 */
export async function detectDialect(count: (query: ListQuery) => Promise<number>): Promise<Dialect | null> {
  if ((await count(queryOf("range", ALL_TIME, 1))) === 0) return null;
  const answers = async (dialect: Dialect, window: TimeWindow): Promise<number | null> => {
    try {
      return await count(queryOf(dialect, window, 1));
    } catch (error) {
      // The server knows the parameter and takes no such value, or refuses parameters that it does not know.
      if (error instanceof ServiceError && error.failure === "permanent") return null;
      throw error;
    }
  };
  const isUnderstood = async (dialect: Dialect, empty: TimeWindow): Promise<boolean> =>
    (await answers(dialect, empty)) === 0 && ((await answers(dialect, { from: FIRST_TIME, to: null })) ?? 0) > 0;
  if (await isUnderstood("dates", BEFORE_ALL)) return "dates";
  return (await isUnderstood("since", { from: LAST_TIME, to: null })) ? "since" : "range";
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
