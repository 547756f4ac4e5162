import type { JsonValue } from "../domain/json.ts";
import { keyText } from "../domain/keys.ts";
import { blank, quotedNamespaces, quotingParts } from "../jobs/job-texts.ts";
import type { ErasureLedger } from "../ledger/erasure-ledger.ts";
import { ERASED_TEXT } from "../ledger/scrub-statements.ts";

type JobTextLedger = Pick<ErasureLedger, "readJobTexts" | "replaceJobTexts" | "readErasedKeys">;

/** Memories that are looked up at a time. */
const KEYS_MAX = 1_000;

/**
 * Removes from ended jobs what may quote erased memories of a namespace. The results of checks and repairs name the memory of
 * each text, so only those of erased memories go; other results are not read. The error of a failed job was kept without what it
 * quotes, and stays. Only jobs that an older program ended are read whatever their namespace, once: their errors may quote any
 * memory and name none, so the messages go, and the codes stay.
 */
export async function scrubJobTexts(ledger: JobTextLedger, namespace: string, signal: AbortSignal): Promise<void> {
  for (let after = ""; ; ) {
    const job = await ledger.readJobTexts(namespace, after, signal);
    if (job === null) return;
    after = job.id;
    const error = job.error === null || job.isKnown ? job.error : withoutMessage(job.error);
    const { result, quoted } = await scrubbedResult(ledger, job.result, signal);
    if (!job.isKnown || error !== job.error || result !== job.result)
      await ledger.replaceJobTexts({ id: job.id, error, result, quotedNamespaces: quoted }, signal);
  }
}

function withoutMessage(error: string): string {
  const { code } = JSON.parse(error) as { code: string };
  return JSON.stringify({ code, message: ERASED_TEXT });
}

async function scrubbedResult(
  ledger: JobTextLedger,
  text: string | null,
  signal: AbortSignal,
): Promise<{ result: string | null; quoted: string[] }> {
  if (text === null) return { result: null, quoted: [] };
  const result = JSON.parse(text) as JsonValue;
  const quoting = quotingParts(result);
  const quoted = quotedNamespaces(result);
  const erased = new Set<string>();
  for (let start = 0; start < quoting.length; start += KEYS_MAX) {
    const keys = quoting.slice(start, start + KEYS_MAX).map(({ key }) => key);
    for (const key of await ledger.readErasedKeys(keys, signal)) erased.add(keyText(key));
  }
  const stale = quoting.filter(({ key }) => erased.has(keyText(key)));
  if (stale.length === 0) return { result: text, quoted };
  for (const part of stale) blank(part, ERASED_TEXT);
  return { result: JSON.stringify(result), quoted };
}
