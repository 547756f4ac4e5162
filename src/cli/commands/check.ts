import { checkDocument } from "../../documents/consistency-documents.ts";
import type { ConsistencyReport } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { findingsText } from "../findings.ts";
import { counted, duration } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { addScopeFlags, checkWithProgress } from "./scope.ts";

/** Findings that are listed one by one for people. */
const ROWS_MAX = 20;

export const checkCommand: CliCommand = {
  configure: addScopeFlags,
  async run(invocation) {
    const startedAt = performance.now();
    const report = await withSynchronizer(invocation, (sync) => checkWithProgress(sync, invocation));
    return {
      exitCode: report.clean ? EXIT.ok : EXIT.findings,
      json: checkDocument(report, invocation.flags.store !== undefined),
      text: reportText(report, performance.now() - startedAt),
    };
  },
};

function reportText(report: ConsistencyReport, milliseconds: number): string {
  const { clean, scope, stores, checked, findings, truncated, misses, startedAt, resumed } = report;
  const memories = scope === "quick" ? counted(checked, "change") : counted(checked, "memory", "memories");
  const what = `${scope} check of ${memories} in ${stores.join(", ")}, ${duration(milliseconds)}`;
  const notes = [
    ...(resumed ? [`resumed an interrupted check that began ${new Date(startedAt).toISOString()}`] : []),
    ...(misses > 0 ? [`${counted(misses, "memory", "memories")} not held by the cache: misses, no drift`] : []),
    ...(truncated ? ["there is more drift than a report holds: repair this, then check again"] : []),
  ].map((note) => `\n${note}`);
  if (clean) return `${what}: clean${notes.join("")}`;
  const repair = scope === "full" ? "mnemosync repair" : `mnemosync repair --scope ${scope}`;
  const detail = findingsText(findings, ROWS_MAX, " (use --json)", stores);
  return `${what}: ${counted(findings.length, "finding")}${notes.join("")}\n\n${detail}\n\nto repair them: ${repair}`;
}
