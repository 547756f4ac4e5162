import { decide } from "../conflict/decide.ts";
import type { ConflictStrategy, Resolution } from "../conflict/strategy.ts";
import { keyText, type MemoryKey, plainKey } from "../memory/keys.ts";
import type { EncodedMemory, MemoryChange } from "../memory/memory.ts";
import type { VersionVector } from "../memory/version-vector.ts";
import type { Projection, Replacement, StoredEntry } from "../projections/projection.ts";
import type { WriteIntent } from "../write/plan.ts";
import { conflictOf, ledgerCandidate, type SoundCopy, soundCopy } from "./conflict-cases.ts";
import { storeEvidence } from "./evidence.ts";
import {
  deferred,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
  type Verdicts,
} from "./repair-options.ts";
import type { Finding } from "./report.ts";
import { isSound, MOVED, movedOn, readSides, republish, type Sides } from "./republish.ts";

/** One memory in conflict: what was found of it, and what both sides hold. */
interface Case {
  readonly key: MemoryKey;
  /** At most one per projection. */
  readonly findings: readonly Finding[];
  readonly redis: Finding | undefined;
  readonly sides: Sides;
}

/** A content that takes the ledger's place as a new version. */
interface Winner {
  readonly item: Case;
  readonly memory: EncodedMemory | null;
  readonly includes: VersionVector | null;
  /** Of the content, where it is known: milliseconds since 1970. */
  readonly modifiedAt: number | null;
  readonly note: string;
}

/**
 * Deals with findings in which both sides may be right. Where a whole and sound content stands against the ledger, the
 * strategy decides; a vector alone, or damaged data, is no content, and the ledger wins. A content that wins becomes a
 * new version of the ledger, and every store is made to hold that.
 */
export async function resolveConflicts(
  parts: RepairerParts,
  findings: readonly Finding[],
  strategy: ConflictStrategy,
  step: RepairStep,
): Promise<Verdicts> {
  const verdicts: Verdicts = new Map();
  const cases = await readCases(parts, findings, step.signal);
  const byRule: Finding[] = [];
  const byStrategy: Finding[] = [];
  const winners: Winner[] = [];
  for (const item of cases) {
    const settle = (verdict: Verdict): void => {
      for (const finding of item.findings) verdicts.set(finding, verdict);
    };
    if (item.redis !== undefined && movedOn(item.redis, item.sides)) {
      settle(deferred(MOVED));
      continue;
    }
    const copy =
      item.redis === undefined
        ? "it is a vector alone"
        : soundCopy(item.sides.entry, item.sides.change, parts.validator);
    if (typeof copy === "string") {
      byRule.push(...item.findings);
      continue;
    }
    const resolution = await ask(parts, item, copy, strategy, step.signal);
    if (resolution.action === "pending") {
      settle(await keepPending(parts, item, strategy, resolution.note ?? "somebody has to decide", step));
    } else if (resolution.action === "remove" || (resolution.action === "choose" && resolution.store === "postgres")) {
      byStrategy.push(...item.findings);
    } else {
      winners.push(winnerOf(parts, item, copy, resolution));
    }
  }
  const stamp = { strategy: strategy.name, pendingBecause: null };
  for (const projection of parts.projections) {
    const of = (list: readonly Finding[]): Finding[] => list.filter(({ store }) => store === projection.store);
    await spread(verdicts, of(byRule), (part) => republish(parts, projection, part, step));
    await spread(verdicts, of(byStrategy), (part) => republish(parts, projection, part, step, stamp));
  }
  await writeWinners(parts, winners, strategy, step, verdicts);
  return verdicts;
}

async function spread(
  verdicts: Verdicts,
  findings: readonly Finding[],
  work: (findings: readonly Finding[]) => Promise<Verdict[]>,
): Promise<void> {
  if (findings.length === 0) return;
  const answers = await work(findings);
  findings.forEach((finding, index) => {
    verdicts.set(finding, answers[index] as Verdict);
  });
}

async function readCases(parts: RepairerParts, findings: readonly Finding[], signal: AbortSignal): Promise<Case[]> {
  const grouped = new Map<string, Finding[]>();
  for (const finding of findings) {
    const group = grouped.get(keyText(finding));
    if (group === undefined) grouped.set(keyText(finding), [finding]);
    else group.push(finding);
  }
  const keys = [...grouped.values()].map((group) => plainKey(group[0] as Finding));
  const redis = projectionOf(parts, "redis");
  const sides: Sides[] =
    redis === undefined ? keys.map(() => ({ change: null, entry: null })) : await readSides(parts, redis, keys, signal);
  return keys.map((key, index) => {
    const group = grouped.get(keyText(key)) as Finding[];
    const found = group.find(({ store }) => store === "redis");
    return { key, findings: group, redis: found, sides: sides[index] as Sides };
  });
}

function projectionOf(parts: RepairerParts, store: "redis" | "faiss"): Projection | undefined {
  return parts.projections.find((projection) => projection.store === store);
}

/** History read per conflict, to find what both sides come from. */
const HISTORY_MAX = 50;

async function ask(
  parts: RepairerParts,
  item: Case,
  copy: SoundCopy,
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<Resolution> {
  const { ledger, validator, strategyTimeoutMs } = parts;
  const { change } = item.sides;
  const history = change === null ? [] : await ledger.readHistory(item.key, HISTORY_MAX, signal);
  const own = ledgerCandidate(change, history[0]?.vector ?? null);
  const candidates = own === null ? [copy.candidate] : [own, copy.candidate];
  const conflict = conflictOf(item.redis as Finding, candidates, history);
  return await decide(strategy, conflict, { timeoutMs: strategyTimeoutMs, signal, validator });
}

function winnerOf(
  { validator }: RepairerParts,
  item: Case,
  copy: SoundCopy,
  resolution: Extract<Resolution, { action: "choose" | "write" }>,
): Winner {
  const includes = copy.candidate.vector;
  if (resolution.action === "choose") {
    const note = resolution.note ?? `the content of ${resolution.store} won`;
    return { item, memory: copy.memory, includes, modifiedAt: copy.candidate.modifiedAt, note };
  }
  const { document, embedding } = resolution;
  const memory = validator.encode(validator.validate({ ...document, ...item.key, embedding }));
  return { item, memory, includes, modifiedAt: null, note: resolution.note ?? "a merged content won" };
}

async function keepPending(
  parts: RepairerParts,
  item: Case,
  strategy: ConflictStrategy,
  because: string,
  step: RepairStep,
): Promise<Verdict> {
  if (step.dryRun) return planned(`would wait for a decision: ${because}`, strategy.name);
  const stamp = { strategy: strategy.name, pendingBecause: because };
  const found = item.redis as Finding;
  const [id] = await parts.records.keepEvidence(
    [storeEvidence(found, item.sides.entry, item.sides.change, stamp)],
    step.signal,
  );
  return deferred(`waits for a decision as conflict ${id}: ${because}`, strategy.name);
}

async function writeWinners(
  parts: RepairerParts,
  winners: readonly Winner[],
  strategy: ConflictStrategy,
  step: RepairStep,
  verdicts: Verdicts,
): Promise<void> {
  if (winners.length === 0) return;
  if (step.dryRun) {
    for (const { item, note } of winners) {
      for (const finding of item.findings)
        verdicts.set(finding, planned(`to be written to the ledger: ${note}`, strategy.name));
    }
    return;
  }
  const stamp = { strategy: strategy.name, pendingBecause: null };
  const ids = await parts.records.keepEvidence(
    winners.map(({ item }) => storeEvidence(item.redis as Finding, item.sides.entry, item.sides.change, stamp)),
    step.signal,
  );
  const answers = await Promise.all(winners.map((winner) => parts.write(intentOf(winner), step.signal)));
  const written: { winner: Winner; id: string; version: number }[] = [];
  const endings: { id: string; state: "resolved" | "failed"; resolution: string }[] = [];
  answers.forEach((outcome, index) => {
    const winner = winners[index] as Winner;
    const id = ids[index] as string;
    if (outcome.status === "conflict" || outcome.status === "failed") {
      const why = outcome.error?.message ?? "the memory was written meanwhile";
      const verdict = outcome.status === "conflict" ? deferred(MOVED, strategy.name) : failed(why, strategy.name);
      for (const finding of winner.item.findings) verdicts.set(finding, verdict);
      endings.push({ id, state: "failed", resolution: why });
    } else {
      written.push({ winner, id, version: outcome.version ?? 0 });
    }
  });
  const agreed = await bringUpToDate(
    parts,
    written.map(({ winner }) => winner.item.key),
    step,
  );
  for (const { winner, id, version } of written) {
    const difference = agreed.get(keyText(winner.item.key)) ?? null;
    const note = `${winner.note}: version ${version} of the ledger`;
    const verdict = difference === null ? repaired(note, strategy.name) : deferred(difference, strategy.name);
    for (const finding of winner.item.findings) verdicts.set(finding, verdict);
    // The decision stands in the ledger either way; what a store still lacks is found by the next check.
    endings.push({ id, state: "resolved", resolution: note });
  }
  await parts.records.settleEvidence(endings, step.signal);
}

function intentOf({ item, memory, includes, modifiedAt }: Winner): WriteIntent {
  const { change } = item.sides;
  // Damage in the ledger is replaced by what is written; its version is still the one that was looked at.
  return {
    key: item.key,
    memory,
    expectedVersion: change?.version ?? 0,
    modifiedAt,
    ...(includes !== null && { includes }),
  };
}

/**
 * Makes every projection hold the ledger's current version of `keys`, also where it holds a newer one that was no
 * version of the ledger's, and reads it back. @returns by key text what still differs.
 */
export async function bringUpToDate(
  parts: RepairerParts,
  keys: readonly MemoryKey[],
  step: RepairStep,
): Promise<Map<string, string>> {
  const differences = new Map<string, string>();
  if (keys.length === 0) return differences;
  for (const projection of parts.projections) {
    const replacements = outdated(projection, keys, await readSides(parts, projection, keys, step.signal));
    if (replacements.length === 0) continue;
    await projection.replace(replacements, step.signal);
    const replaced = replacements.map(({ key }) => key);
    for (const { key } of outdated(projection, replaced, await readSides(parts, projection, replaced, step.signal))) {
      differences.set(keyText(key), `${projection.store} does not hold the new version yet: run the check again`);
    }
  }
  return differences;
}

function outdated(projection: Projection, keys: readonly MemoryKey[], sides: readonly Sides[]): Replacement[] {
  return keys.flatMap((key, index) => {
    const { change, entry } = sides[index] as Sides;
    if (change === null || !isSound(change)) return [];
    const wanted = change.kind === "tombstone" || projection.holds(change) ? change : null;
    return agrees(projection, entry, wanted) ? [] : [{ key, found: entry, change: wanted }];
  });
}

function agrees(projection: Projection, entry: StoredEntry | null, wanted: MemoryChange | null): boolean {
  if (wanted === null) return entry === null || entry.state === "tombstone";
  if (entry === null || entry.state === "malformed") return false;
  if (wanted.kind === "tombstone") return entry.state === "tombstone" && entry.version >= wanted.version;
  if (entry.state !== "live" || entry.version !== wanted.version || entry.checksum !== wanted.checksum) return false;
  return projection.flaw(entry, wanted) === null;
}
