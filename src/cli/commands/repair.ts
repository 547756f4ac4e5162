import type { ConsistencyReport, RepairReport } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { columns, count, counted, duration, printable } from "../output.ts";
import { startProgress } from "../progress.ts";
import { repairCounts } from "../repairs.ts";
import { withSynchronizer } from "../session.ts";
import { addScopeFlag, checkWithProgress } from "./scope.ts";

/** Repairs that did not work and are shown one by one. */
const ROWS_MAX = 20;

export const repairCommand: CliCommand = {
  name: "repair",
  usage: "",
  summary:
    "publish what is pending, check, then make every store hold what the ledger says, each repair verified by reading back",
  configure: addScopeFlag,
  async run(invocation) {
    const startedAt = performance.now();
    const { published, check, repair } = await withSynchronizer(invocation, async (sync) => {
      // What is merely on its way is no finding yet, and need not become one.
      const published = await sync.backlog.drain(invocation.signal);
      const found = await checkWithProgress(sync, invocation);
      const progress = startProgress("repairing", found.findings.length, "{done} of {total}");
      try {
        const repaired = await sync.repairInconsistencies(found, {
          signal: invocation.signal,
          onProgress: ({ done }) => progress.update(done, { done: count(done) }),
        });
        return { published, check: found, repair: repaired };
      } finally {
        progress.stop();
      }
    });
    const { repaired, failed, deferred, results } = repair;
    return {
      exitCode: failed + deferred > 0 ? EXIT.findings : EXIT.ok,
      json: { repaired, failed, deferred, results },
      text: [
        ...(published > 0 ? [`${counted(published, "memory", "memories")} of the backlog published`] : []),
        repairText(check, repair, performance.now() - startedAt),
      ].join("\n"),
    };
  },
};

function repairText(check: ConsistencyReport, repair: RepairReport, milliseconds: number): string {
  const scope = `${check.scope} check of ${counted(check.checked, "memory", "memories")}`;
  if (check.clean) return `${scope} in ${duration(milliseconds)}: clean, nothing to repair`;
  const { repaired, failed, deferred, details } = repair;
  const lines = [
    `${scope} and repair in ${duration(milliseconds)}: ${count(repaired)} repaired, ${count(failed)} failed, ` +
      `${count(deferred)} deferred`,
    "",
    repairCounts(details),
  ];
  const open = details.filter(({ outcome }) => outcome !== "repaired");
  if (open.length > 0) {
    const heads = ["memory", "store", "kind", "outcome", "reason"].map((head) => ({ head }));
    const rows = open.slice(0, ROWS_MAX).map(({ namespace, memoryId, store, kind, outcome, note }) => {
      return [printable(`${namespace}/${memoryId}`, 40), store, kind, outcome, printable(note, 100)];
    });
    lines.push("", columns(heads, rows));
    if (open.length > ROWS_MAX) lines.push(`… and ${count(open.length - ROWS_MAX)} more (use --json)`);
  }
  return lines.join("\n");
}
