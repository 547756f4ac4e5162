/** `12345` as `12,345`, in every locale. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 memory`, `2 memories`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Milliseconds for people: `85 ms`, `3.2 s`, `2 min 05 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** Characters that would move the cursor, recolour the terminal or reorder its text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are searched for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Untrusted text on one line of at most `width` characters, safe for a terminal. */
export function printable(text: string, width = Number.POSITIVE_INFINITY): string {
  const oneLine = text
    .slice(0, width * 4)
    .replace(/\s+/g, " ")
    .replace(UNPRINTABLE, escaped);
  const characters = Array.from(oneLine);
  return characters.length <= width ? oneLine : `${characters.slice(0, width - 1).join("")}…`;
}

/**
 * Untrusted text of several lines, safe for a terminal. Line breaks stay as they are.
 * @param kept sequences that stay too.
 */
export function printableLines(text: string, kept: readonly string[] = []): string {
  const literals = kept.map((sequence) => sequence.replaceAll("[", "\\["));
  const pattern = new RegExp([...literals, UNPRINTABLE.source].join("|"), "g");
  return text.replace(pattern, (found) => (found === "\n" || kept.includes(found) ? found : escaped(found)));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A text with every line indented. */
export function indented(text: string, by = 2): string {
  return text.replace(/^(?=.)/gm, " ".repeat(by));
}

/**
 * A document for standard output: one line for a pipe, indented for a person. Control characters are escaped, also those
 * that JSON permits: a terminal obeys U+009B as it does ESC.
 */
export function jsonText(document: unknown, forPerson: boolean): string {
  return printableLines(JSON.stringify(document, null, forPerson ? 2 : 0));
}
