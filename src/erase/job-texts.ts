import type { JsonValue } from "../domain/json.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { ErasureLedger } from "../ledger/erasure-ledger.ts";
import { ERASED_TEXT } from "../ledger/scrub-statements.ts";

/** Fields of a job's result that may quote the memory whose key stands beside them. */
const QUOTING = ["evidence", "note", "error", "message", "reason"];

type JobTextLedger = Pick<ErasureLedger, "readJobTexts" | "replaceJobTexts" | "readErasedKeys">;

/** Memories that are looked up at a time. */
const KEYS_MAX = 1_000;

/**
 * Removes from ended jobs what may quote erased memories. The results of checks and repairs name the memory of each text, so
 * only those of erased memories go. An error names none: its message is removed, its code stays.
 */
export async function scrubJobTexts(ledger: JobTextLedger, signal: AbortSignal): Promise<void> {
  for (let after = ""; ; ) {
    const job = await ledger.readJobTexts(after, signal);
    if (job === null) return;
    after = job.id;
    const error = job.error === null ? null : withoutMessage(job.error);
    const result = job.result === null ? null : await scrubbedResult(ledger, job.result, signal);
    if (error !== job.error || result !== job.result)
      await ledger.replaceJobTexts({ id: job.id, error, result }, signal);
  }
}

function withoutMessage(error: string): string {
  const { code, message } = JSON.parse(error) as { code: string; message: string };
  return message === ERASED_TEXT ? error : JSON.stringify({ code, message: ERASED_TEXT });
}

async function scrubbedResult(ledger: JobTextLedger, text: string, signal: AbortSignal): Promise<string> {
  const result = JSON.parse(text) as JsonValue;
  const quoting: { key: MemoryKey; object: Record<string, JsonValue> }[] = [];
  collect(result, quoting);
  const erased = new Set<string>();
  for (let start = 0; start < quoting.length; start += KEYS_MAX) {
    const keys = quoting.slice(start, start + KEYS_MAX).map(({ key }) => key);
    for (const key of await ledger.readErasedKeys(keys, signal)) erased.add(keyText(key));
  }
  const stale = quoting.filter(({ key }) => erased.has(keyText(key)));
  if (stale.length === 0) return text;
  for (const { object } of stale) for (const name of QUOTING) if (name in object) object[name] = ERASED_TEXT;
  return JSON.stringify(result);
}

/** Objects with the key of a memory and a text about it. */
function collect(value: JsonValue, into: { key: MemoryKey; object: Record<string, JsonValue> }[]): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const each of value) collect(each, into);
    return;
  }
  const object = value as Record<string, JsonValue>;
  const { namespace, memoryId } = object;
  if (typeof namespace === "string" && typeof memoryId === "string" && QUOTING.some((name) => name in object)) {
    into.push({ key: { namespace, memoryId }, object });
  }
  for (const each of Object.values(object)) collect(each, into);
}
