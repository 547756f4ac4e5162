import { checksumOf } from "../../domain/checksum.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Projection, Replacement, StoredEntry } from "../../stores/projection.ts";
import { foreignTo, wantedChange } from "../../stores/traits.ts";
import { classify } from "../check/classify.ts";
import type { Finding } from "../check/report.ts";
import { type EvidenceStamp, LEDGER_WINS, storeEvidence } from "./evidence.ts";
import {
  deferred,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
} from "./repair-options.ts";

/** What both sides hold of a finding's memory, data included. */
export interface Sides {
  readonly change: MemoryChange | null;
  readonly entry: StoredEntry | null;
}

const BY_RULE: EvidenceStamp = { strategy: LEDGER_WINS, pendingBecause: null };

/**
 * Makes a projection hold what the ledger says: keep what was found as evidence, replace it, provided that the store
 * still holds it, and read it back. One verdict per finding.
 */
export async function republish(
  parts: RepairerParts,
  projection: Projection,
  findings: readonly Finding[],
  step: RepairStep,
  stamp: EvidenceStamp = BY_RULE,
): Promise<Verdict[]> {
  const { signal } = step;
  const sides = await readSides(parts, projection, findings, signal);
  const planning = findings.map((finding, index) => plan(parts, projection, finding, sides[index] as Sides));
  const work = planning.filter((item): item is Replacement => "key" in item);
  const strategy = stamp.strategy === LEDGER_WINS ? undefined : stamp.strategy;
  if (step.dryRun) return planning.map((item) => ("key" in item ? planned(whatIsDone(item), strategy) : item));
  const evidence = findings.flatMap((finding, index) => {
    const { entry, change } = sides[index] as Sides;
    return "key" in (planning[index] as Replacement | Verdict) ? [storeEvidence(finding, entry, change, stamp)] : [];
  });
  if (work.length === 0) return planning as Verdict[];
  const ids = await parts.records.keepEvidence(evidence, signal);
  const answers = await projection.replace(work, signal);
  const differences = await verify(parts, projection, work, signal);
  const endings: { id: string; state: "resolved" | "failed"; resolution: string }[] = [];
  let position = 0;
  const verdicts = planning.map((item): Verdict => {
    if (!("key" in item)) return item;
    const at = position++;
    const verdict = judge(item, answers[at], differences[at] ?? null, strategy);
    const state = verdict.outcome === "repaired" ? "resolved" : "failed";
    endings.push({ id: ids[at] as string, state, resolution: verdict.note });
    return verdict;
  });
  await parts.records.settleEvidence(endings, signal);
  return verdicts;
}

/** What the ledger and the projection hold of each finding's memory, in order. */
export async function readSides(
  { ledger }: RepairerParts,
  projection: Projection,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<Sides[]> {
  const [changes, entries] = await Promise.all([
    ledger.readChanges(keys, signal),
    projection.read(keys, { data: true }, signal),
  ]);
  return keys.map((key, index) => ({ change: changes.get(keyText(key)) ?? null, entry: entries[index] ?? null }));
}

/** Whether the ledger's own data fits its checksum: what is damaged is not published anywhere. */
export function isSound(change: MemoryChange | null): boolean {
  return change?.kind !== "put" || checksumOf(change.documentJson, change.embedding) === change.checksum;
}

/** Whether the memory is not as the finding has it any more, so that its repair would be somebody's guess. */
export function movedOn(finding: Finding, { change, entry }: Sides): boolean {
  if ((change?.version ?? null) !== finding.expectedVersion) return true;
  const version = entry === null || entry.state === "malformed" ? null : entry.version;
  return version !== finding.foundVersion;
}

export const MOVED = "changed since the check: run it again";

function plan({ now }: RepairerParts, projection: Projection, finding: Finding, sides: Sides): Replacement | Verdict {
  if (!isSound(sides.change)) return failed("the ledger's own data is damaged: nothing sound to publish");
  if (movedOn(finding, sides)) {
    const agrees = classify(projection.traits, rowOf(sides.change), sides.entry, now()) === null;
    return agrees ? repaired("agrees by now") : deferred(MOVED);
  }
  const { change } = sides;
  // One vector that the index refuses would have all others of its batch refused with it.
  const foreign = foreignTo(projection.traits, change ?? undefined);
  if (foreign !== null) return failed(`${foreign}: run the check again`);
  return {
    key: plainKey(finding),
    found: sides.entry,
    change: change === null ? null : wantedChange(projection.traits, change),
  };
}

/** The ledger's narrow row of what it says, as far as comparing needs it. */
function rowOf(change: MemoryChange | null): LedgerVersion | undefined {
  if (change === null) return undefined;
  const put = change.kind === "put" ? change : null;
  return {
    ...plainKey(change),
    version: change.version,
    checksum: put?.checksum ?? null,
    hasEmbedding: put?.embedding != null,
    modifiedAt: change.modifiedAt,
    expiresAt: put?.expiresAt ?? null,
    transactionId: "",
  };
}

function judge(
  replacement: Replacement,
  answer: "applied" | "moved" | undefined,
  difference: string | null,
  strategy: string | undefined,
): Verdict {
  if (answer !== "applied") return deferred("the store changed meanwhile: run the check again", strategy);
  return difference === null
    ? repaired(whatIsDone(replacement), strategy)
    : failed(`read back, the store still differs: ${difference}`, strategy);
}

function whatIsDone({ change, found }: Replacement): string {
  if (change !== null) return change.kind === "tombstone" ? "the deletion was published again" : "published again";
  return found?.state === "malformed" ? "kept as evidence and removed" : "removed";
}

/** Reads back what was repaired. @returns per replacement what still differs; null where the store agrees. */
async function verify(
  { ledger, now }: RepairerParts,
  projection: Projection,
  replacements: readonly Replacement[],
  signal: AbortSignal,
): Promise<(string | null)[]> {
  const keys = replacements.map((replacement) => replacement.key);
  const [versions, entries] = await Promise.all([
    ledger.readVersions(keys, signal),
    projection.read(keys, { data: true }, signal),
  ]);
  return replacements.map(({ key, change }, index) => {
    const entry = entries[index] ?? null;
    const drift = classify(projection.traits, versions.get(keyText(key)), entry, now());
    if (drift !== null) return drift.evidence;
    const sound = change?.kind !== "put" || entry?.state !== "live" || entry.version !== change.version;
    return sound ? null : projection.flaw(entry, change);
  });
}
