import type { SentRecord } from "../state/sink-state.ts";
import type { Sink } from "./sink.ts";

/**
 * A name that nothing of the record has there: another transform gives a version that is there another text. One that is being removed
 * is waited for: its text may be the same, and the service takes no text twice.
 */
export function freeName(
  sink: Pick<Sink<unknown>, "nameOf">,
  record: SentRecord,
  key: SentRecord,
  hash: string,
): string {
  const name = sink.nameOf(key);
  const isTaken = (record.hash !== null && record.name === name) || record.old.includes(name);
  if (!isTaken) return name;
  return sink.nameOf({ ...key, text: Buffer.from(hash, "base64url").toString("hex").slice(0, 12) });
}
