import type { RepairDetail } from "../index.ts";
import { countFindings } from "./findings.ts";
import { columns, count } from "./output.ts";

/** What became of the findings, by store and kind, as a table for people. */
export function repairCounts(details: readonly RepairDetail[]): string {
  const heads = [
    { head: "store" },
    { head: "kind" },
    ...["repaired", "failed", "deferred"].map((head) => ({ head, align: "right" as const })),
    { head: "what was done" },
  ];
  const rows = countFindings(details).map(({ store, kind }) => {
    const group = details.filter((detail) => detail.store === store && detail.kind === kind);
    const tally = (outcome: RepairDetail["outcome"]): string =>
      count(group.filter((detail) => detail.outcome === outcome).length);
    const notes = new Set(group.filter(({ outcome }) => outcome === "repaired").map(({ note }) => note));
    return [store, kind, tally("repaired"), tally("failed"), tally("deferred"), [...notes].join("; ")];
  });
  return columns(heads, rows);
}
