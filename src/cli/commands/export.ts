import { type ExportProgress, exportLine } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { writeAtReadersPace } from "../standard-output.ts";
import { addWhereFlag, whereOf } from "../where.ts";
import { inNamespace } from "./namespace.ts";

const NOTHING: ExportProgress = {
  memories: 0,
  historyVersions: 0,
  leftOut: 0,
  redacted: 0,
  damaged: 0,
  position: null,
};

export const exportCommand: CliCommand = {
  configure(command) {
    command.option("--namespace <name>", "only the memories of this tenant (default all)");
    addWhereFlag(command);
    command.option("--history", "include replaced versions that are still kept");
    command.option("--include-local", "include memories that are local_only: the file must then stay on this machine");
    command.option("--after <record>", "resume after this record (the last whole line of an incomplete file)");
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const startedAt = performance.now();
    const progress = await startProgress("exporting", null, "{memories} memories, {history} replaced versions");
    let reached = NOTHING;
    const options = {
      ...inNamespace(invocation),
      ...whereOf(invocation),
      history: flags.history === true,
      includeLocal: flags.includeLocal === true,
      ...(typeof flags.after === "string" && { after: positionOf(flags.after) }),
      signal,
      onProgress: (now: ExportProgress) => {
        reached = now;
        progress.update(now.memories, { memories: count(now.memories), history: count(now.historyVersions) });
      },
    };
    try {
      await withSynchronizer(
        invocation,
        async (sync) => {
          for await (const record of sync.exportMemories(options)) await writeAtReadersPace(exportLine(record), signal);
        },
        withoutIndex,
      );
    } finally {
      progress.stop();
    }
    for (const note of notes(reached, performance.now() - startedAt)) process.stderr.write(`${note}\n`);
    const exitCode = reached.damaged > 0 ? EXIT.findings : EXIT.ok;
    return { exitCode, json: undefined, text: "" };
  },
};

function positionOf(text: string): { namespace: string; memoryId: string; version: number } {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--after must be a whole line of an export: ${(error as Error).message}`, { cause: error });
  }
  const { namespace, memoryId, version } = (record ?? {}) as Record<string, unknown>;
  if (typeof namespace === "string" && typeof memoryId === "string" && Number.isSafeInteger(version)) {
    return { namespace, memoryId, version: version as number };
  }
  throw new UsageError("--after must be the line of a memory: it has no namespace, memoryId and version");
}

function notes(progress: ExportProgress, milliseconds: number): string[] {
  const { memories, historyVersions, leftOut, redacted, damaged } = progress;
  const notes = [
    `${counted(memories, "memory", "memories")} and ${counted(historyVersions, "replaced version")} exported in ${duration(milliseconds)}`,
  ];
  if (leftOut > 0) notes.push(`${counted(leftOut, "version")} left out: local_only, and --include-local was not given`);
  if (redacted > 0) {
    notes.push(
      `${counted(redacted, "version")} marked redacted: the file contains their content, so store it accordingly`,
    );
  }
  if (damaged > 0) {
    notes.push(
      `${counted(damaged, "version")} damaged in the ledger: an import will refuse them; mnemosync repair --scope deep restores those that another store still has`,
    );
  }
  return notes;
}
