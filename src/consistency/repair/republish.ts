import { keyText, plainKey } from "../../domain/keys.ts";
import type { Projection, Replacement } from "../../stores/projection.ts";
import { foreignTo, wantedChange } from "../../stores/traits.ts";
import { classify } from "../check/classify.ts";
import type { Finding } from "../check/report.ts";
import { BY_RULE, type EvidenceStamp, LEDGER_WINS, storeEvidence, withEvidence } from "../reconcile/evidence.ts";
import { isSound, MOVED, movedOn, readSides, rowOf, type Sides } from "../reconcile/sides.ts";
import {
  deferred,
  endingOf,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
  type Verdicts,
} from "./repair-options.ts";

type RepublishParts = Pick<RepairerParts, "ledger" | "records" | "now">;

/** A finding whose entry is to be replaced. */
interface Work {
  readonly finding: Finding;
  readonly replacement: Replacement;
}

/**
 * Makes a projection hold the ledger's version: records the entry as evidence, replaces it, provided that the store still
 * holds it, and reads it back. One verdict per finding.
 */
export async function republish(
  parts: RepublishParts,
  projection: Projection,
  findings: readonly Finding[],
  step: RepairStep,
  stamp: EvidenceStamp = BY_RULE,
): Promise<Verdicts> {
  const verdicts: Verdicts = new Map();
  if (findings.length === 0) return verdicts;
  const strategy = stamp.strategy === LEDGER_WINS ? undefined : stamp.strategy;
  const work = [];
  for (const { item: finding, ...sides } of await readSides(parts, projection, findings, step.signal)) {
    const plan = planOf(parts, projection, finding, sides);
    if ("outcome" in plan) verdicts.set(finding, plan);
    else if (step.dryRun) verdicts.set(finding, planned(doneBy(plan), strategy));
    else {
      const evidence = [storeEvidence(finding, sides.entry, sides.change, stamp)];
      work.push({ item: { finding, replacement: plan }, evidence });
    }
  }
  const act = (items: readonly Work[]) => replace(parts, projection, items, step.signal, strategy);
  const done = await withEvidence(parts.records, work, act, endingOf, step.signal);
  for (const [{ finding }, verdict] of done) verdicts.set(finding, verdict);
  return verdicts;
}

function planOf(
  { now }: RepublishParts,
  projection: Projection,
  finding: Finding,
  sides: Sides,
): Replacement | Verdict {
  if (!isSound(sides.change)) return failed("the ledger's own data is damaged: nothing sound to publish");
  if (movedOn(finding, sides)) {
    const agrees = classify(projection.traits, rowOf(sides.change), sides.entry, now()) === null;
    return agrees ? repaired("agrees by now") : deferred(MOVED);
  }
  const { change } = sides;
  // One refused vector would cause the refusal of its whole batch.
  const foreign = foreignTo(projection.traits, change ?? undefined);
  if (foreign !== null) return failed(`${foreign}: run the check again`);
  return {
    key: plainKey(finding),
    found: sides.entry,
    change: change === null ? null : wantedChange(projection.traits, change),
  };
}

/** Replaces the entries and reads them back. */
async function replace(
  { ledger, now }: RepublishParts,
  projection: Projection,
  work: readonly Work[],
  signal: AbortSignal,
  strategy: string | undefined,
): Promise<ReadonlyMap<Work, Verdict>> {
  const answers = await projection.replace(
    work.map(({ replacement }) => replacement),
    signal,
  );
  const keys = work.map(({ replacement }) => replacement.key);
  const [versions, entries] = await Promise.all([
    ledger.readVersions(keys, signal),
    projection.read(keys, { data: true }, signal),
  ]);
  const verdicts = work.map((item, index): [Work, Verdict] => {
    const { key, change } = item.replacement;
    if (answers[index] !== "applied") {
      return [item, deferred("the store changed meanwhile: run the check again", strategy)];
    }
    const entry = entries[index] ?? null;
    const drift = classify(projection.traits, versions.get(keyText(key)), entry, now());
    const comparable = change?.kind === "put" && entry?.state === "live" && entry.version === change.version;
    const difference = drift?.evidence ?? (comparable ? projection.flaw(entry, change) : null);
    if (difference === null) return [item, repaired(doneBy(item.replacement), strategy)];
    return [item, failed(`read back, the store still differs: ${difference}`, strategy)];
  });
  return new Map(verdicts);
}

function doneBy({ change, found }: Replacement): string {
  if (change !== null) return change.kind === "tombstone" ? "the deletion was published again" : "published again";
  return found?.state === "malformed" ? "kept as evidence and removed" : "removed";
}
