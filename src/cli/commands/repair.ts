import { Option } from "commander";
import { repairDocument } from "../../documents/consistency-documents.ts";
import { type ConsistencyReport, DRIFT_KINDS, type RepairOptions, type RepairReport } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { repairCounts } from "../repairs.ts";
import { withSynchronizer } from "../session.ts";
import { meaningOf } from "../terminal.ts";
import { addScopeFlags, checkStores, checkWithProgress, wholeNumber } from "./scope.ts";

/** Unfinished repairs that are listed one by one. */
const ROWS_MAX = 20;

export const repairCommand: CliCommand = {
  configure(command) {
    addScopeFlags(command);
    command.option("--dry-run", "only print the repairs, change nothing");
    command.option(
      "--strategy <name>",
      "conflict strategy where both sides may be right (default setting repairStrategy)",
    );
    command.addOption(new Option("--kind <kind...>", "repair these kinds of drift only").choices(DRIFT_KINDS));
    command.option("--only <store...>", "repair these stores only, by id");
    command.option("--max <findings>", "findings to repair, at most", wholeNumber);
  },
  async run(invocation) {
    const startedAt = performance.now();
    const { published, check, repair } = await withSynchronizer(invocation, async (sync) => {
      checkStores(sync, "--only", invocation.flags.only as string[] | undefined);
      // A version in the backlog is no finding. Publishing it first keeps it from becoming one.
      const published = invocation.flags.dryRun === true ? 0 : await sync.backlog.drain({ signal: invocation.signal });
      const found = await checkWithProgress(sync, invocation);
      const progress = await startProgress("repairing", found.findings.length, "{done} of {total}");
      try {
        const repaired = await sync.repairInconsistencies(found, {
          ...repairOptions(invocation.flags),
          signal: invocation.signal,
          onProgress: ({ done }) => progress.update(done, { done: count(done) }),
        });
        return { published, check: found, repair: repaired };
      } finally {
        progress.stop();
      }
    });
    const { failed, deferred, planned } = repair;
    return {
      exitCode: failed + deferred + planned > 0 ? EXIT.findings : EXIT.ok,
      json: repairDocument(repair, invocation.flags.dryRun === true),
      text: [
        ...(published > 0 ? [`${counted(published, "memory", "memories")} of the backlog published`] : []),
        repairText(check, repair, performance.now() - startedAt),
      ].join("\n"),
    };
  },
};

function repairOptions(flags: Readonly<Record<string, unknown>>): RepairOptions {
  const { dryRun, strategy, kind, only, max } = flags;
  return {
    dryRun: dryRun === true,
    ...(strategy !== undefined && { strategy: strategy as string }),
    ...(kind !== undefined && { kinds: kind as NonNullable<RepairOptions["kinds"]> }),
    ...(only !== undefined && { stores: only as NonNullable<RepairOptions["stores"]> }),
    ...(max !== undefined && { repairsMax: max as number }),
  };
}

function repairText(check: ConsistencyReport, repair: RepairReport, milliseconds: number): string {
  const scope = `${check.scope} check of ${counted(check.checked, "memory", "memories")}`;
  if (check.clean) return `${scope} in ${duration(milliseconds)}: clean, nothing to repair`;
  const { repaired, failed, deferred, planned, details } = repair;
  const outcome =
    planned > 0
      ? `${count(planned)} would be repaired; nothing was changed`
      : `${count(repaired)} repaired, ${count(failed)} failed, ${count(deferred)} deferred`;
  const lines = [`${scope} and repair in ${duration(milliseconds)}: ${outcome}`, "", repairCounts(details)];
  const open = details.filter(({ outcome }) => outcome !== "repaired");
  if (open.length > 0) {
    const heads = [
      { head: "memory", whole: true },
      ...["store", "kind"].map((head) => ({ head })),
      { head: "outcome", meaning: meaningOf },
      { head: "reason" },
    ];
    const rows = open.slice(0, ROWS_MAX).map(({ namespace, memoryId, store, kind, outcome, note }) => {
      return [`${namespace}/${memoryId}`, store, kind, outcome, note];
    });
    lines.push("", columns(heads, rows));
    if (open.length > ROWS_MAX) lines.push(`… and ${count(open.length - ROWS_MAX)} more (use --json)`);
  }
  return lines.join("\n");
}
