import PQueue from "p-queue";
import { decide } from "../../conflict/decide.ts";
import type { ConflictStrategy, Resolution } from "../../conflict/strategy.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { EncodedMemory } from "../../domain/memory.ts";
import type { VersionVector } from "../../domain/version-vector.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { Projection } from "../../stores/projection.ts";
import type { WriteIntent } from "../../write/plan.ts";
import type { Finding } from "../check/report.ts";
import { bringUpToDate } from "./bring-up-to-date.ts";
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
import { MOVED, movedOn, readSides, republish, type Sides } from "./republish.ts";

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
  const asked: { readonly item: Case; readonly copy: SoundCopy }[] = [];
  const settle = ({ findings: own }: Case, verdict: Verdict): void => {
    for (const finding of own) verdicts.set(finding, verdict);
  };
  for (const item of cases) {
    if (item.redis !== undefined && movedOn(item.redis, item.sides)) {
      settle(item, deferred(MOVED));
      continue;
    }
    const copy =
      item.redis === undefined
        ? "it is a vector alone"
        : soundCopy(item.sides.entry, item.sides.change, parts.validator);
    if (typeof copy === "string") byRule.push(...item.findings);
    else asked.push({ item, copy });
  }
  const questions = new PQueue({ concurrency: ASKED_AT_A_TIME });
  const ask = ({ item, copy }: (typeof asked)[number]) => askStrategy(parts, item, copy, strategy, step.signal);
  const resolutions = await questions.addAll(asked.map((question) => () => ask(question)));
  for (const [index, { item, copy }] of asked.entries()) {
    const resolution = resolutions[index] as Resolution;
    if (resolution.action === "pending") {
      settle(item, await keepPending(parts, item, strategy, resolution.note ?? "somebody has to decide", step));
    } else if (resolution.action === "remove" || (resolution.action === "choose" && resolution.store === "postgres")) {
      byStrategy.push(...item.findings);
    } else {
      winners.push(winnerOf(parts, item, copy, resolution));
    }
  }
  const stamp = { strategy: strategy.name, pendingBecause: null };
  for (const projection of parts.projections) {
    const of = (list: readonly Finding[]): Finding[] => list.filter(({ store }) => store === projection.id);
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
  return parts.projections.find((projection) => projection.id === store);
}

/** Conflicts that a strategy is asked about beside each other: it may have to ask somebody itself. */
const ASKED_AT_A_TIME = 8;

/** History read per conflict, to find what both sides come from. */
const HISTORY_MAX = 50;

async function askStrategy(
  parts: RepairerParts,
  item: Case,
  copy: SoundCopy,
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<Resolution> {
  const { ledger, validator, strategyTimeoutMs } = parts;
  const { change } = item.sides;
  const history = change === null ? [] : await ledger.readHistory(item.key, HISTORY_MAX, signal);
  const own = ledgerCandidate(change, history[0]?.versionVector ?? null);
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
  const includes = copy.candidate.versionVector;
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
  const evidence = await evidenceOf(parts, winners, strategy, step);
  const ids = await parts.records.keepEvidence(
    evidence.map(({ record }) => record),
    step.signal,
  );
  const answers = await Promise.all(winners.map((winner) => parts.write(intentOf(winner), step.signal)));
  const written: { winner: Winner; version: number }[] = [];
  const endingOf = new Map<Winner, { state: "resolved" | "failed"; resolution: string }>();
  answers.forEach((outcome, index) => {
    const winner = winners[index] as Winner;
    if (outcome.status === "conflict" || outcome.status === "failed") {
      const why = outcome.error?.message ?? "the memory was written meanwhile";
      const verdict = outcome.status === "conflict" ? deferred(MOVED, strategy.name) : failed(why, strategy.name);
      for (const finding of winner.item.findings) verdicts.set(finding, verdict);
      endingOf.set(winner, { state: "failed", resolution: why });
    } else {
      written.push({ winner, version: outcome.version ?? 0 });
    }
  });
  const agreed = await bringUpToDate(
    parts,
    written.map(({ winner }) => winner.item.key),
    step,
  );
  for (const { winner, version } of written) {
    const difference = agreed.get(keyText(winner.item.key)) ?? null;
    const note = `${winner.note}; it is version ${version} of the ledger now`;
    const verdict = difference === null ? repaired(note, strategy.name) : deferred(difference, strategy.name);
    for (const finding of winner.item.findings) verdicts.set(finding, verdict);
    // The decision stands in the ledger either way; what a store still lacks is found by the next check.
    endingOf.set(winner, { state: "resolved", resolution: note });
  }
  const endings = evidence.flatMap(({ winner }, index) => {
    const ending = endingOf.get(winner);
    return ending === undefined ? [] : [{ id: ids[index] as string, ...ending }];
  });
  await parts.records.settleEvidence(endings, step.signal);
}

/** What is overwritten when these win: the ledger's side, Redis's, and what any other store was found to hold. */
async function evidenceOf(
  parts: RepairerParts,
  winners: readonly Winner[],
  strategy: ConflictStrategy,
  { signal }: RepairStep,
): Promise<{ winner: Winner; record: EvidenceRecord }[]> {
  const stamp = { strategy: strategy.name, pendingBecause: null };
  const evidence = winners.map((winner) => {
    const { redis, sides } = winner.item;
    return { winner, record: storeEvidence(redis as Finding, sides.entry, sides.change, stamp) };
  });
  for (const projection of parts.projections) {
    const others = winners.flatMap((winner) =>
      winner.item.findings
        .filter((finding) => finding !== winner.item.redis && finding.store === projection.id)
        .map((finding) => ({ winner, finding })),
    );
    if (others.length === 0) continue;
    const found = others.map(({ finding }) => finding);
    const sides = await readSides(parts, projection, found, signal);
    others.forEach(({ winner, finding }, index) => {
      const { entry, change } = sides[index] as Sides;
      evidence.push({ winner, record: storeEvidence(finding, entry, change, stamp) });
    });
  }
  return evidence;
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
