import type { Log } from "../runtime/log.ts";
import { redactedFields } from "../runtime/redact.ts";

/** Fields that say why, the most telling first. They stand without their name. */
const REASONS = ["reason", "error", "message"];

/** Warnings and errors as sentences, for a person who runs one command. A service writes JSON lines. */
export function sentenceLog(say: (line: string) => void): Log {
  const line = (word: string) => (fields: object, event: string) =>
    say(`${word}: ${sentence(redactedFields(fields) as Record<string, unknown>, event)}`);
  return { debug: ignore, info: ignore, warn: line("warning"), error: line("error") };
}

/** `feed.not_listening`, `{ error, store }`: "feed, not listening: connection lost (store redis)". */
function sentence(fields: Record<string, unknown>, event: string): string {
  const [area = "", ...happened] = event.split(".");
  const what = [area, happened.join(" ")].filter((part) => part !== "").join(", ");
  const reason = REASONS.map((name) => fields[name]).find((value) => value !== undefined);
  const others = Object.entries(fields)
    .filter(([name, value]) => !REASONS.includes(name) && value !== null && value !== undefined)
    .map(([name, value]) => `${words(name)} ${text(value)}`);
  return [
    words(what),
    ...(reason === undefined ? [] : [`: ${text(reason)}`]),
    ...(others.length === 0 ? [] : [` (${others.join(", ")})`]),
  ].join("");
}

/** `waitMs` and `not_listening` in words. */
function words(name: string): string {
  return name.replaceAll("_", " ").replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
}

function text(value: unknown): string {
  if (value instanceof Error) return value.message;
  if (typeof value !== "object" || value === null) return String(value);
  return "message" in value ? String(value.message) : JSON.stringify(value);
}

function ignore(): void {
  // On purpose: not for a person.
}
