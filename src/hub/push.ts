import { ClosedError, type MnemosyncError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import { mapInTurns } from "../runtime/turns.ts";
import type { Batcher } from "../write/batcher.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import { type HubCaller, maySee } from "./caller.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { currentChange } from "./hub-changes.ts";
import { plainChange } from "./plain-change.ts";
import type { HubChange } from "./protocol/changes.ts";
import { ChangeRefusedError, HubError, REJECTED_CODES, RETRY_CODES, type RejectedCode } from "./protocol/codes.ts";
import { type PushAnswer, type PushChange, pushChangeSchema } from "./protocol/push.ts";
import type { PushHead } from "./push-head.ts";
import { type IntentParts, type NamedChange, pushIntents } from "./push-intents.ts";

export interface PushParts extends IntentParts {
  readonly batcher: Pick<Batcher, "writeMany">;
  readonly validator: Pick<MemoryValidator, "validateKey">;
  readonly ledger: Pick<HubLedger, "readCurrentMemories">;
}

/** Milliseconds after which a device tries again what failed for a reason that may pass. */
const RETRY_AFTER_MS = 1_000;
/** Characters of a message about a change, at most. */
const MESSAGE_LENGTH_MAX = 500;

/** Applies the changes of one push. One answer per change, in order: one that is at fault does not sink the others. */
export async function applyPush(
  parts: PushParts,
  caller: Pick<HubCaller, "namespaces">,
  head: PushHead,
  given: readonly unknown[],
  signal: AbortSignal,
): Promise<PushAnswer[]> {
  const answers = new Array<PushAnswer | null>(given.length).fill(null);
  const places = new Map<string, { place: number; fingerprint: string }>();
  const twins = new Map<number, number>();
  const sound: (NamedChange & { place: number })[] = [];
  const judged = await mapInTurns(given, (raw) => {
    const change = checked(parts, caller, raw);
    return "status" in change ? { change, fingerprint: "" } : { change, fingerprint: fingerprintOf(change) };
  });
  for (const [place, { change, fingerprint }] of judged.entries()) {
    if ("status" in change) {
      answers[place] = change;
      continue;
    }
    const first = places.get(change.key);
    if (first === undefined) {
      places.set(change.key, { place, fingerprint });
      sound.push({ place, change, fingerprint });
    } else if (first.fingerprint === fingerprint) {
      twins.set(place, first.place);
    } else {
      answers[place] = rejected("IDEMPOTENCY_KEY_REUSED", "another change of this push has the same key");
    }
  }
  const applied = await apply(parts, sound, head, signal);
  sound.forEach(({ place }, index) => {
    answers[place] = applied[index] as PushAnswer;
  });
  for (const [place, first] of twins) answers[place] = twinAnswer(answers[first] as PushAnswer);
  return answers as PushAnswer[];
}

/** The change, or the answer to one that cannot be applied. */
function checked(
  { validator }: PushParts,
  caller: Pick<HubCaller, "namespaces">,
  raw: unknown,
): PushChange | PushAnswer {
  const change = plainChange(raw) ?? parsed(raw);
  if ("status" in change) return change;
  try {
    validator.validateKey(change.memoryId, change.namespace);
  } catch (error) {
    return rejected("VALIDATION", (error as Error).message);
  }
  if (maySee(caller, change.namespace)) return change;
  return rejected("FORBIDDEN", `the key is not bound to namespace ${change.namespace}`);
}

function parsed(raw: unknown): PushChange | PushAnswer {
  const result = pushChangeSchema().safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") ?? "";
  return rejected("SYNC_PAYLOAD", `${path === "" ? "the change" : path}: ${issue?.message ?? "is malformed"}`);
}

async function apply(
  parts: PushParts,
  named: readonly NamedChange[],
  head: PushHead,
  signal: AbortSignal,
): Promise<PushAnswer[]> {
  if (named.length === 0) return [];
  const prepared = await pushIntents(parts, named, head, signal);
  const changes = named.map(({ change }) => change);
  const intents = prepared.filter((item): item is WriteIntent => !("error" in item));
  const outcomes = (await parts.batcher.writeMany(intents, signal)).values();
  const results = prepared.map((item): SyncOutcome | { readonly error: MnemosyncError } =>
    "error" in item ? { error: item.error } : (outcomes.next().value as SyncOutcome),
  );
  // Of the call as a whole: the device was revoked, or the ledger went back, while it ran.
  for (const { error } of results) if (error instanceof HubError || error instanceof ClosedError) throw error;
  const conflicts = changes.filter((_change, index) => isConflict(results[index]));
  const current = await readCurrent(parts, conflicts, head.device, signal);
  return changes.map((change, index) => {
    const result = results[index] as SyncOutcome | { readonly error: MnemosyncError };
    if (isConflict(result)) return { status: "conflict", current: current.get(keyText(change)) ?? null };
    if (result.error !== undefined) return failure(result.error);
    const { version, repeats } = result as SyncOutcome;
    return { status: repeats === true ? "duplicate" : "applied", version };
  });
}

function isConflict(result: SyncOutcome | { readonly error: MnemosyncError } | undefined): boolean {
  return result !== undefined && "status" in result && result.status === "conflict";
}

async function readCurrent(
  { ledger }: PushParts,
  keys: readonly MemoryKey[],
  device: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, HubChange>> {
  if (keys.length === 0) return new Map();
  const rows = await ledger.readCurrentMemories(keys, signal);
  return new Map(rows.map((row) => [keyText(row), currentChange(row, device)]));
}

/** A store's own words may name hosts and users: they go to the log, not to a device. */
function failure(error: MnemosyncError): PushAnswer {
  if (error instanceof ChangeRefusedError) return rejected(error.rejected, error.message);
  const permanent = REJECTED_CODES.find((code) => code === error.code);
  if (permanent !== undefined && !error.retryable) {
    return rejected(permanent, permanent === "STORE_REFUSED" ? "the ledger refuses the memory" : error.message);
  }
  const code = RETRY_CODES.find((known) => known === error.code) ?? "INTERNAL";
  return { status: "retry", code, message: "the hub could not write the change now", afterMs: RETRY_AFTER_MS };
}

function twinAnswer(first: PushAnswer): PushAnswer {
  return first.status === "applied" ? { status: "duplicate", version: first.version } : first;
}

export function rejected(code: RejectedCode, message: string): PushAnswer {
  return { status: "rejected", code, message: message.slice(0, MESSAGE_LENGTH_MAX) };
}
