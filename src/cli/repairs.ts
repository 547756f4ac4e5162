import type { RepairDetail } from "../index.ts";
import { columns } from "./columns.ts";
import { countFindings } from "./findings.ts";
import { count } from "./output.ts";

/** The outcomes of repairs, by store and kind, as a table for people. @param indent characters in front of each line. */
export function repairCounts(details: readonly RepairDetail[], indent = 0): string {
  const isPlan = details.some(({ outcome }) => outcome === "planned");
  const outcomes: readonly RepairDetail["outcome"][] = isPlan
    ? ["planned", "failed", "deferred"]
    : ["repaired", "failed", "deferred"];
  const heads = [
    { head: "store" },
    { head: "kind" },
    ...outcomes.map((head) => ({ head, align: "right" as const })),
    { head: isPlan ? "planned repair" : "repair" },
  ];
  const rows = countFindings(details).map(({ store, kind }) => {
    const group = details.filter((detail) => detail.store === store && detail.kind === kind);
    const tally = (outcome: RepairDetail["outcome"]): string =>
      count(group.filter((detail) => detail.outcome === outcome).length);
    const notes = new Set(group.filter(({ outcome }) => outcome === outcomes[0]).map(({ note }) => note));
    return [store, kind, ...outcomes.map(tally), summary([...notes])];
  });
  return columns(heads, rows, { indent });
}

/** The first notes: a note may name a memory's version, so there may be as many as memories. */
function summary(notes: readonly string[]): string {
  const shown = notes.slice(0, 2).join("; ");
  return notes.length > 2 ? `${shown}; …` : shown;
}
