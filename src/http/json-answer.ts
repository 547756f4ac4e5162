import { isObject } from "../domain/json.ts";
import { Turns } from "../runtime/turns.ts";

/** Entries of a list from which on it is worth turns of its own. */
const LONG_LIST_MIN = 16;
/** Characters of text that count as one item: some microseconds of work. */
const ITEM_LENGTH = 2_048;

/**
 * As `JSON.stringify` of a document, over as many turns of the event loop as it takes: a page of a thousand vectors would
 * hold up every other caller for a third of a second. Long lists among the document's fields are divided at their entries.
 * @param now milliseconds of a clock that never goes back.
 */
export async function stringifyInTurns(document: unknown, now?: () => number): Promise<string> {
  if (!isObject(document) || !Object.values(document).some(isLong)) return JSON.stringify(document);
  const turns = new Turns(now);
  const fields: string[] = [];
  for (const [name, value] of Object.entries(document)) {
    const json = isLong(value) ? await listText(value, turns) : (JSON.stringify(value) as string | undefined);
    if (json !== undefined) fields.push(`${JSON.stringify(name)}:${json}`);
  }
  return `{${fields.join(",")}}`;
}

async function listText(list: readonly unknown[], turns: Turns): Promise<string> {
  const entries: string[] = [];
  for (const entry of list) {
    const json = (JSON.stringify(entry) as string | undefined) ?? "null";
    entries.push(json);
    if (turns.isOver(1 + json.length / ITEM_LENGTH)) await turns.next();
  }
  return `[${entries.join(",")}]`;
}

function isLong(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length >= LONG_LIST_MIN;
}
