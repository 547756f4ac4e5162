import type { Conflict, ConflictStrategy } from "../../conflict/strategy.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { StoredEntry } from "../../stores/projection.ts";
import { canRestoreDocument, type ProjectionTraits } from "../../stores/traits.ts";
import { classify } from "../check/classify.ts";
import { CONFLICT_KINDS, type Finding } from "../check/report.ts";
import { soundCopy } from "../reconcile/candidates.ts";
import { type EvidenceStamp, storeEvidence } from "../reconcile/evidence.ts";
import { type Reconciled, type RemoteWrite, reconcile } from "../reconcile/reconcile.ts";
import { MOVED, movedOn, rowOf, type Sides } from "../reconcile/sides.ts";
import { bringUpToDate } from "./bring-up-to-date.ts";
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
import { republish } from "./republish.ts";

type ResolveParts = Omit<RepairerParts, "embedder" | "strategies" | "log" | "onRepaired">;

/** A store's entry that competes with the ledger's version. */
interface Held {
  /** As the check reported it, or as this repair met it. */
  readonly finding: Finding;
  readonly entry: StoredEntry | null;
  readonly holdsDocuments: boolean;
}

/** One memory in conflict. */
interface Case {
  readonly key: MemoryKey;
  /** The findings to repair, at most one per store. */
  readonly findings: Finding[];
  readonly change: MemoryChange | null;
  /** In the order of registration. */
  readonly held: Held[];
  /** Whether a store that keeps documents has changed since the check. */
  hasMoved: boolean;
}

/**
 * Repairs findings in which both sides may be right. Where whole contents stand against the ledger's, the strategy decides
 * between all of them; a vector alone, or damaged data, is no content, and the ledger wins. A content that wins becomes a
 * new version of the ledger, and every store is made to hold it.
 */
export async function resolveConflicts(
  parts: ResolveParts,
  findings: readonly Finding[],
  strategy: ConflictStrategy,
  step: RepairStep,
): Promise<Verdicts> {
  const verdicts: Verdicts = new Map();
  const byRule: Finding[] = [];
  const byStrategy: Finding[] = [];
  const written: { readonly item: Case; readonly note: string }[] = [];
  const remotes = new Map<RemoteWrite, Case>();
  const settle = (item: Case, verdict: Verdict): void => {
    for (const finding of item.findings) verdicts.set(finding, verdict);
  };
  for (const item of await readCases(parts, findings, step.signal)) {
    const remote = remoteWrite(parts, item);
    if (item.hasMoved) settle(item, deferred(MOVED));
    else if (remote.sides.length === 0) byRule.push(...item.findings);
    else remotes.set(remote, item);
  }
  for (const [remote, result] of await reconcile(parts, [...remotes.keys()], strategy, step)) {
    const item = remotes.get(remote) as Case; // One result per remote write.
    if (result.end === "ledger") byStrategy.push(...item.findings);
    else if (result.end === "written") written.push({ item, note: result.note });
    else settle(item, verdictOf(result, strategy.name, step));
  }
  const stamp = { strategy: strategy.name, pendingBecause: null };
  for (const projection of parts.projections) {
    const of = (list: readonly Finding[]): Finding[] => list.filter(({ store }) => store === projection.id);
    for (const part of [
      await republish(parts, projection, of(byRule), step),
      await republish(parts, projection, of(byStrategy), step, stamp),
    ]) {
      for (const [finding, verdict] of part) verdicts.set(finding, verdict);
    }
  }
  const keys = written.map(({ item }) => item.key);
  const differences = await bringUpToDate(parts, keys, step);
  for (const { item, note } of written) {
    // The ledger has the decision either way; the next check finds a store that still lacks it.
    const difference = differences.get(keyText(item.key));
    settle(item, difference === undefined ? repaired(note, strategy.name) : deferred(difference, strategy.name));
  }
  return verdicts;
}

async function readCases(
  { ledger, projections, now }: ResolveParts,
  findings: readonly Finding[],
  signal: AbortSignal,
): Promise<Case[]> {
  const changes = await ledger.readChanges(findings, signal);
  const byKey = new Map<string, Case>();
  for (const finding of findings) {
    const text = keyText(finding);
    const known = byKey.get(text);
    if (known !== undefined) known.findings.push(finding);
    else {
      const change = changes.get(text) ?? null;
      byKey.set(text, { key: plainKey(finding), findings: [finding], change, held: [], hasMoved: false });
    }
  }
  const cases = [...byKey.values()];
  for (const projection of projections) {
    const { id: store, traits } = projection;
    const holdsDocuments = canRestoreDocument(traits);
    if (!holdsDocuments && !findings.some((finding) => finding.store === store)) continue;
    const entries = await projection.read(
      cases.map(({ key }) => key),
      { data: true },
      signal,
    );
    for (const [index, item] of cases.entries()) {
      const sides = { change: item.change, entry: entries[index] ?? null };
      const reported = item.findings.find((finding) => finding.store === store);
      if (reported !== undefined && holdsDocuments && movedOn(reported, sides)) item.hasMoved = true;
      const finding = reported ?? unreported(item.key, store, traits, sides, now());
      if (finding !== null) item.held.push({ finding, entry: sides.entry, holdsDocuments });
    }
  }
  return cases;
}

/** A conflict that no check has reported yet: a decision about the memory overwrites this entry too. */
function unreported(
  key: MemoryKey,
  store: StoreId,
  traits: ProjectionTraits,
  { change, entry }: Sides,
  now: number,
): Finding | null {
  const drift = classify(traits, rowOf(change), entry, now);
  if (drift === null || !CONFLICT_KINDS.has(drift.kind)) return null;
  const foundVersion = entry === null || entry.state === "malformed" ? null : entry.version;
  const { kind, evidence } = drift;
  return { ...key, store, kind, evidence, expectedVersion: change?.version ?? null, foundVersion };
}

function remoteWrite({ validator }: ResolveParts, { key, change, held }: Case): RemoteWrite {
  const copies = held.map(({ finding, entry, holdsDocuments }) =>
    holdsDocuments ? soundCopy(finding.store, entry, change, validator) : "it is a vector alone",
  );
  return {
    key,
    kind: kindOf(held),
    change,
    sides: copies.filter((copy) => typeof copy !== "string"),
    evidence: (stamp: EvidenceStamp) => held.map(({ finding, entry }) => storeEvidence(finding, entry, change, stamp)),
  };
}

/** Of several stores: `orphan` is said of all of them, and `ahead` says more than `diverged`. */
function kindOf(held: readonly Held[]): Conflict["kind"] {
  const kinds = held.map(({ finding }) => finding.kind);
  return (["orphan", "ahead"] as const).find((kind) => kinds.includes(kind)) ?? "diverged";
}

function verdictOf(result: Reconciled, strategy: string, { dryRun }: RepairStep): Verdict {
  switch (result.end) {
    case "pending":
      return dryRun
        ? planned(`would wait for a decision: ${result.because}`, strategy)
        : deferred(`waits for a decision as conflict ${result.ids.join(", ")}: ${result.because}`, strategy);
    case "planned":
      return planned(`to be written to the ledger: ${result.note}`, strategy);
    case "moved":
      return deferred(MOVED, strategy);
    case "failed":
      return failed(result.error.message, strategy);
    default:
      return repaired(result.note, strategy);
  }
}
