import type { TimeWindow } from "../time-window.ts";

/** Spans of `memory view`. */
export const SPANS = ["today", "week", "month"] as const;
export type Span = (typeof SPANS)[number];

/**
 * The span that holds `now`, in the time zone of this process (`TZ`): from its first midnight until before the next one. A week
 * begins on Monday (ISO 8601). Days are counted by the calendar, so a day on which the clock changes has 23 or 25 hours.
 */
export function windowOf(span: Span, now: Date): TimeWindow {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  if (span === "month") return between(new Date(year, month, 1), new Date(year, month + 1, 1));
  if (span === "today") return between(new Date(year, month, day), new Date(year, month, day + 1));
  const monday = day - ((now.getDay() + 6) % 7);
  return between(new Date(year, month, monday), new Date(year, month, monday + 7));
}

function between(start: Date, end: Date): TimeWindow {
  return { from: start.getTime(), to: end.getTime() - 1 };
}
