import type { SentRecord } from "../state/sink-state.ts";
import type { Sink } from "./sink.ts";

/** Names that a text of a version may have: that of the version, and one of the text's own, where another text has the first. */
export function namesOf(sink: Pick<Sink<unknown>, "nameOf">, key: SentRecord, hash: string): readonly [string, string] {
  const text = Buffer.from(hash, "base64url").toString("hex").slice(0, 12);
  return [sink.nameOf(key), sink.nameOf({ ...key, text })];
}

/**
 * The one that nothing of the record has there: another transform gives a version that is there another text. Null while what has one of
 * them is on its way out: it may be the same text, of which the service keeps one.
 */
export function freeName(record: SentRecord, names: readonly [string, string]): string | null {
  if (record.doomed.some((name) => names.includes(name))) return null;
  const [first, own] = names;
  const isTaken = (record.hash !== null && record.name === first) || record.old.includes(first);
  return isTaken ? own : first;
}
