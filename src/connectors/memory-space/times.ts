/**
 * A time as Memory Space writes it: RFC 3339 with or without a zone, or `YYYY-MM-DD HH:MM:SS`, with up to nine digits of a
 * second. Without a zone it is UTC.
 * @returns milliseconds since 1970, rounded down; null for any other value.
 */
export function parseTime(value: unknown): number | null {
  if (typeof value !== "string") return null;
  const parts = TIME_PATTERN.exec(value.trim());
  if (parts === null) return null;
  const [, date, clock = "00:00:00", fraction = "", zone = "Z"] = parts;
  // Date.parse knows no more than three digits, and takes a time without a zone for local time.
  const text = `${date}T${clock.length === 5 ? `${clock}:00` : clock}.${fraction.padEnd(3, "0").slice(0, 3)}${isoZone(zone)}`;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

const TIME_PATTERN =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?)?$/;

function isoZone(zone: string): string {
  if (zone === "Z" || zone === "z") return "Z";
  const digits = zone.slice(1).replace(":", "");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2).padEnd(2, "0")}`;
}
