/** Times, in the reader's own zone and way of writing. */

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** @param iso as the service writes it. */
export function exactTime(iso: string): string {
  return EXACT.format(new Date(iso));
}

/** With the day of the week and the zone. */
export function fullTime(iso: string): string {
  return FULL.format(new Date(iso));
}

export function clockTime(iso: string): string {
  return CLOCK.format(new Date(iso));
}

/** `3 minutes ago`, `in 2 hours`; `just now` within 10 seconds. @param now milliseconds since 1970. */
export function relativeTime(iso: string, now: number): string {
  const seconds = (Date.parse(iso) - now) / 1_000;
  if (Math.abs(seconds) < 10) return "just now";
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? (["second", 1] as const);
  return AGO.format(Math.trunc(seconds / length), unit);
}

/** `850 ms`, `4.2 s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return parts(whole, 60, "min", 1, "s");
  if (whole < 86_400) return parts(whole, 3_600, "h", 60, "min");
  return parts(whole, 86_400, "d", 3_600, "h");
}

/** How long something took, as `duration` writes it; empty: it has not begun, or not ended. */
export function took(startedAt: string | null, endedAt: string | null): string {
  if (startedAt === null || endedAt === null) return "";
  return duration((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000);
}

function parts(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeUnit}${rest === 0 ? "" : ` ${rest} ${smallUnit}`}`;
}
