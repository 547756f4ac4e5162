import type { JsonValue } from "../domain/json.ts";
import type { MemoryKey } from "../domain/keys.ts";

/** Fields of a job's result that may quote the memory whose key stands beside them. */
const QUOTING = ["evidence", "note", "error", "message", "reason"];

/** A part of a result that may quote a memory. */
export interface Quoting {
  readonly key: MemoryKey;
  readonly object: Record<string, JsonValue>;
}

/** The objects of a job's result that have the key of a memory and a text about it. */
export function quotingParts(result: JsonValue): Quoting[] {
  const parts: Quoting[] = [];
  collect(result, parts);
  return parts;
}

function collect(value: JsonValue, into: Quoting[]): void {
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

/** Puts `text` in place of all texts of a part. */
export function blank({ object }: Quoting, text: string): void {
  for (const name of QUOTING) if (name in object) object[name] = text;
}

/** The namespaces whose memories a job's result may quote, as it is kept with the job. */
export function quotedNamespaces(result: JsonValue): string[] {
  return [...new Set(quotingParts(result).map(({ key }) => key.namespace))].sort();
}

/** What servers and parsers put around a value that they quote. A quote that is not closed reaches to the end. */
const QUOTED = /"(?:[^"\\]|\\.)*(?:"|$)|(?<![\p{L}\p{N}])'[^']*(?:'(?![\p{L}\p{N}])|$)|=\([^)]*(?:\)|$)/gu;

/**
 * The message of a failed job as the ledger keeps it: without what it quotes. A server's or a parser's message may quote the
 * content of any memory that the job had in hand, and names none, so that an erasure could not tell whose it is: it would
 * have to remove the messages of all tenants. Ids may stay, as they do in the receipts of erasures.
 */
export function withoutQuotes(message: string): string {
  return message.replace(QUOTED, (quoted) => (quoted.startsWith("=") ? "=(…)" : '"…"'));
}
