import { Help } from "commander";

/** Columns of the terminal that shows standard output; infinite for a pipe or a file, where nothing is cut. */
export function terminalWidth(): number {
  return process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/** `text` in lines that fit the terminal behind `indent`, broken between words; as it is in a pipe. */
export function wrapped(text: string, indent: string): string {
  const width = terminalWidth();
  if (!Number.isFinite(width)) return indent + text;
  return new Help()
    .boxWrap(text, width - indent.length)
    .split("\n")
    .map((line) => indent + line)
    .join("\n");
}

/** Columns of a terminal on which tables show times whole. */
const WHOLE_TIMES_WIDTH_MIN = 120;

/** Milliseconds since 1970 in a table: ISO-8601, and to the minute on a narrow terminal, to leave room for the content. */
export function timeText(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString();
  return terminalWidth() < WHOLE_TIMES_WIDTH_MIN ? text.slice(0, 16).replace("T", " ") : text;
}

/** `good`: nothing to do; `attention`: works for now; `bad`: something is wrong. */
export type Meaning = "good" | "attention" | "bad";

const CODES: Readonly<Record<Meaning | "heading", number>> = { good: 32, attention: 33, bad: 31, heading: 1 };

/** The sequences that `coloured` writes: the only ones that reach a terminal. */
export const COLOUR_SEQUENCES = ["0", ...Object.values(CODES)].map((code) => `\u001b[${code}m`);

/** Whether `stream` is a terminal with colours. Honours NO_COLOR, FORCE_COLOR and TERM=dumb, as Node does. */
export function hasColours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && stream.hasColors();
}

/** `text` in the colour of its meaning, where `stream` has colours. */
export function coloured(
  text: string,
  meaning: Meaning | "heading" | null,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return meaning === null || text === "" || !hasColours(stream) ? text : `\u001b[${CODES[meaning]}m${text}\u001b[0m`;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ...{ ok: "good", healthy: "good", repaired: "good", closed: "good" },
  ...{ warning: "attention", degraded: "attention", deferred: "attention", pending: "attention", failed: "attention" },
  ...{ failure: "bad", down: "bad", dead: "bad" },
};

/** The meaning of the word that names a state; null where it has none. */
export function meaningOf(state: string): Meaning | null {
  return MEANINGS[state] ?? null;
}
