import type { MemorySynchronizer, ReembedReport } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { withSynchronizer } from "../session.ts";
import { addWhereFlag, whereOf } from "../where.ts";

/** Failures that are listed one by one. */
const ROWS_MAX = 20;

export const reembedCommand: CliCommand = {
  configure(command) {
    command.option("--namespace <name>", "only memories of this tenant (default all)");
    addWhereFlag(command);
    command.option("--model <name>", "the model that the configured embedder must be of");
  },
  async run(invocation) {
    const startedAt = performance.now();
    const report = await withSynchronizer(invocation, (sync) => withProgress(sync, invocation));
    return {
      exitCode: report.complete ? EXIT.ok : EXIT.findings,
      json: report,
      text: reportText(report, performance.now() - startedAt),
    };
  },
};

async function withProgress(sync: MemorySynchronizer, invocation: Invocation): Promise<ReembedReport> {
  const { flags, signal } = invocation;
  const progress = await startProgress("embedding", null, "{embedded} embedded, {failed} failed, pass {pass}");
  try {
    return await sync.reembed({
      ...whereOf(invocation),
      namespace: flags.namespace as string | undefined,
      model: flags.model as string | undefined,
      signal,
      onProgress: ({ embedded = 0, failed = 0, pass = 1 }) =>
        progress.update(embedded, { embedded: count(embedded), failed: count(failed), pass: String(pass) }),
    });
  } finally {
    progress.stop();
  }
}

function reportText(report: ReembedReport, milliseconds: number): string {
  const { model, embedded, withoutText, failed, failures, complete } = report;
  const done = `${counted(embedded, "memory", "memories")} embedded anew by ${model} in ${duration(milliseconds)}`;
  const lines = [`${done}: ${count(failed)} failed, ${count(withoutText)} without text`];
  if (failures.length > 0) {
    const heads = [{ head: "memory", whole: true }, { head: "code" }, { head: "reason" }];
    const rows = failures.slice(0, ROWS_MAX).map(({ namespace, memoryId, code, message }) => {
      return [`${namespace}/${memoryId}`, code, message];
    });
    lines.push("", columns(heads, rows, { overflow: "wrap" }));
  }
  if (!complete) lines.push("", "not all have vectors of this model: correct the causes, and run it again");
  return lines.join("\n");
}
