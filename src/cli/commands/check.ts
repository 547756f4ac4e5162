import type { ConsistencyReport } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { findingsText } from "../findings.ts";
import { counted, duration } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { addScopeFlag, checkWithProgress } from "./scope.ts";

/** Findings that people are shown one by one. */
const ROWS_MAX = 20;

export const checkCommand: CliCommand = {
  name: "check",
  usage: "",
  summary: "compare the three stores; exits 1 when something differs",
  configure: addScopeFlag,
  async run(invocation) {
    const startedAt = performance.now();
    const report = await withSynchronizer(invocation, (sync) => checkWithProgress(sync, invocation));
    return {
      exitCode: report.clean ? EXIT.ok : EXIT.findings,
      json: reportDocument(report),
      text: reportText(report, performance.now() - startedAt),
    };
  },
};

/** The contract of `check --json`: what was seen is for people and stays out. */
export function reportDocument({ clean, scope, checked, findings, byMemory }: ConsistencyReport): object {
  const listed = findings.map(({ namespace, memoryId, store, kind, expectedVersion, foundVersion }) => ({
    namespace,
    memoryId,
    store,
    kind,
    expectedVersion,
    foundVersion,
  }));
  return { clean, scope, checked, findings: listed, byMemory };
}

function reportText({ clean, scope, checked, findings }: ConsistencyReport, milliseconds: number): string {
  const what = `${scope} check of ${counted(checked, "memory", "memories")} in ${duration(milliseconds)}`;
  if (clean) return `${what}: clean`;
  const repair = scope === "full" ? "mnemosync repair" : `mnemosync repair --scope ${scope}`;
  const detail = findingsText(findings, ROWS_MAX, " (use --json)");
  return `${what}: ${counted(findings.length, "finding")}\n\n${detail}\n\nto put them right: ${repair}`;
}
