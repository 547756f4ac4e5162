import { LEDGER_ID } from "../domain/store-id.ts";
import { DRIFT_KINDS, type DriftKind, type Finding } from "../index.ts";
import { columns } from "./columns.ts";
import { count, counted } from "./output.ts";

/** How many findings of one kind a store has. */
export interface FindingCount {
  readonly store: Finding["store"];
  readonly kind: DriftKind;
  readonly count: number;
}

/**
 * By store, then by kind in the order of `DRIFT_KINDS`.
 * @param order ids of stores, as a report names them. Stores that it lacks follow by id, the ledger first.
 */
export function countFindings(
  findings: readonly Pick<Finding, "store" | "kind">[],
  order: readonly Finding["store"][] = [],
): FindingCount[] {
  const found = new Set(findings.map(({ store }) => store).filter((store) => store !== LEDGER_ID));
  return [...new Set([...order, LEDGER_ID, ...[...found].sort()])]
    .flatMap((store) =>
      DRIFT_KINDS.map((kind) => ({
        store,
        kind,
        count: findings.filter((finding) => finding.store === store && finding.kind === kind).length,
      })),
    )
    .filter((group) => group.count > 0);
}

/**
 * Findings for people: counts first, then some of them one by one.
 * @param rowsMax number of findings that are listed. @param more how to see the others. @param order of the stores.
 * @param indent characters that the caller puts in front of each line.
 */
export function findingsText(
  findings: readonly Finding[],
  rowsMax: number,
  more: string,
  order: readonly Finding["store"][],
  indent = 0,
): string {
  const counts = columns(
    [{ head: "store" }, { head: "kind", meaning: () => "bad" }, { head: "findings", align: "right" }],
    countFindings(findings, order).map((group) => [group.store, group.kind, count(group.count)]),
    { indent },
  );
  const shown = spread(findings, rowsMax, order);
  const rows = columns(
    [
      { head: "memory", whole: true },
      { head: "store" },
      { head: "kind", meaning: () => "bad" },
      { head: "expected", align: "right" },
      { head: "found", align: "right" },
      { head: "evidence" },
    ],
    shown.map((finding) => [
      `${finding.namespace}/${finding.memoryId}`,
      finding.store,
      finding.kind,
      versionText(finding.expectedVersion),
      versionText(finding.foundVersion),
      finding.evidence,
    ]),
    { indent },
  );
  const rest = findings.length - shown.length;
  return `${counts}\n\n${rows}${rest > 0 ? `\n… and ${counted(rest, "more", "more")}${more}` : ""}`;
}

/** Some findings of each group, so that no kind crowds out another one. */
function spread(findings: readonly Finding[], rowsMax: number, order: readonly Finding["store"][]): Finding[] {
  const ordered = countFindings(findings, order).map(({ store, kind }) =>
    findings.filter((finding) => finding.store === store && finding.kind === kind),
  );
  const taken = ordered.map(() => 0);
  for (let round = 0, left = Math.min(rowsMax, findings.length); left > 0; round++) {
    for (const [index, group] of ordered.entries()) {
      if (left > 0 && round < group.length) {
        taken[index] = round + 1;
        left--;
      }
    }
  }
  return ordered.flatMap((group, index) => group.slice(0, taken[index]));
}

function versionText(version: number | null): string {
  return version === null ? "-" : String(version);
}
