import { once } from "node:events";
import { type ExportProgress, exportLine } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
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
    command.option("--namespace <name>", "the memories of this tenant only (default all)");
    command.option("--history", "with the versions that were replaced and are still kept");
    command.option("--include-local", "with memories that are local_only: keep the file on this machine then");
    command.option("--after <record>", "go on behind this record (the last whole line of a file that was cut short)");
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const startedAt = performance.now();
    const progress = await startProgress("exporting", null, "{memories} memories, {history} replaced versions");
    let reached = NOTHING;
    const options = {
      ...inNamespace(invocation),
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
          for await (const record of sync.exportMemories(options)) await write(exportLine(record), signal);
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

/** Standard output, at the pace of whoever reads it. */
async function write(text: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.write(text)) return;
  // A reader that went away drains nothing any more.
  if (process.stdout.destroyed) throw new UsageError("whoever read the export is gone: it is not complete");
  await Promise.race([once(process.stdout, "drain", { signal }), once(process.stdout, "close", { signal })]);
}

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
      `${counted(redacted, "version")} marked redacted: a backup holds them whole, so keep it where their content may be`,
    );
  }
  if (damaged > 0) {
    notes.push(
      `${counted(damaged, "version")} damaged in the ledger: an import will refuse them; mnemosync repair --scope deep mends what Redis still has`,
    );
  }
  return notes;
}
