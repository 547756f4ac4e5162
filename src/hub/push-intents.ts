import { embeddingFromBytes } from "../domain/checksum.ts";
import { InternalError, ValidationError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import { parseStoredDocument } from "../domain/stored-document.ts";
import type { CurrentMemory } from "../ledger/change-claims.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import type { Intake, Refusal } from "../write/intake.ts";
import type { WriteIntent } from "../write/plan.ts";
import { correctedTime } from "./protocol/clock.ts";
import type { PushChange } from "./protocol/push.ts";
import { decodeVector, type FullWireMemory, type RedactedWireMemory } from "./protocol/wire-memory.ts";
import type { PushHead } from "./push-head.ts";
import { pushOrigin } from "./push-origin.ts";

export interface IntentParts {
  readonly intake: Pick<Intake, "prepare">;
  readonly ledger: Pick<HubLedger, "readCurrentMemories">;
}

/** A change that was checked, with its fingerprint. */
export interface NamedChange {
  readonly change: PushChange;
  readonly fingerprint: string;
}

type Put = Extract<PushChange, { op: "put" }>;

/** The writes of checked changes, in order; a memory that breaks a rule is refused alone. */
export async function pushIntents(
  parts: IntentParts,
  changes: readonly NamedChange[],
  head: PushHead,
  signal: AbortSignal,
): Promise<(WriteIntent | Refusal)[]> {
  const puts = changes.map(({ change }) => change).filter((change): change is Put => change.op === "put");
  const current = await readRedacted(parts, puts, signal);
  const inputs = puts.map((put) => inputOf(put, current.get(keyText(put))));
  const full = puts.flatMap((put, index) => (put.memory.privacy === "full" ? [index] : []));
  const redacted = puts.flatMap((put, index) => (put.memory.privacy === "full" ? [] : [index]));
  const prepared = new Map<PushChange, WriteIntent | Refusal>();
  // A redacted memory keeps the vector that the hub has: nothing is made of a content that is not there.
  for (const [places, embeds] of [[full, true] as const, [redacted, false] as const]) {
    const sound = places.filter((place) => !("error" in (inputs[place] as object)));
    const made = await parts.intake.prepare(
      sound.map((place) => inputs[place] as MemoryInput<object>),
      { embeds },
      signal,
    );
    for (const [index, place] of sound.entries())
      prepared.set(puts[place] as Put, made[index] as WriteIntent | Refusal);
  }
  puts.forEach((put, index) => {
    const input = inputs[index];
    if (input !== undefined && "error" in input) prepared.set(put, input);
  });
  return changes.map(({ change, fingerprint }) => {
    const { namespace, memoryId } = change;
    const item = change.op === "put" ? prepared.get(change) : ending(change, { namespace, memoryId });
    if (item === undefined) throw new InternalError("a pushed change without an intent");
    if ("error" in item) return item;
    const modifiedAt = correctedTime(change.modifiedAt, head.sentAt, head.receivedAt);
    // The origin judges the version that the change was made on.
    const origin = pushOrigin(change, fingerprint, head);
    return { ...item, expectedVersion: null, modifiedAt, origin };
  });
}

function ending(change: PushChange, key: MemoryKey): WriteIntent {
  const reason = change.op === "withdraw" ? "withdrawn" : "deleted";
  return { key, memory: null, ending: reason, expectedVersion: null, modifiedAt: null };
}

/** The memories that redacted changes concern, as the hub holds them. */
async function readRedacted(
  { ledger }: IntentParts,
  puts: readonly Put[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, CurrentMemory>> {
  const keys = puts.filter(({ memory }) => memory.privacy === "redacted");
  if (keys.length === 0) return new Map();
  const rows = await ledger.readCurrentMemories(keys, signal);
  return new Map(rows.map((row) => [keyText(row), row]));
}

function inputOf(put: Put, current: CurrentMemory | undefined): MemoryInput<object> | Refusal {
  const { namespace, memoryId, memory } = put;
  if (memory.privacy === "redacted") return { namespace, memoryId, ...mergedFields(put, memory, current) };
  return fullInput({ namespace, memoryId }, memory);
}

function fullInput(key: MemoryKey, memory: FullWireMemory): MemoryInput<object> | Refusal {
  const { embedding: text, ...fields } = memory;
  if (text === null) return { ...key, ...fields, embedding: null };
  const embedding = decodeVector(text);
  if (embedding !== null) return { ...key, ...fields, embedding };
  const error = new ValidationError("embedding", "is no whole number of float32 values in base64");
  return { key, error };
}

/**
 * The fields of a redacted memory: those that are given, and what the hub has of the others. Of another version than the one
 * that the change was made on nothing is taken: the transaction answers with a conflict then.
 */
function mergedFields(put: Put, given: RedactedWireMemory, current: CurrentMemory | undefined) {
  const { privacy, memoryType, importance, expiresAt } = given;
  const facts = { privacy, memoryType, importance, expiresAt: expiresAt ?? null };
  const isBase = current?.document != null && current.version === put.baseVersion;
  if (!isBase) return { ...facts, content: "", metadata: {}, embedding: null };
  const { content, metadata, embeddingModel } = parseStoredDocument(current.document as string, current);
  const embedding = current.embedding === null ? null : embeddingFromBytes(current.embedding);
  return { ...facts, content, metadata, embedding, embeddingModel };
}
