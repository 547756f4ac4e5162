import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { Option } from "commander";
import { isExportHeader, MnemosyncError } from "../../index.ts";
import { type ImportReport, importLines, newReport } from "../../transfer/import-lines.ts";
import { ON_CONFLICT } from "../../transfer/import-options.ts";
import { readJsonLines } from "../../transfer/json-lines.ts";
import type { CliCommand, Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { rejectedLines } from "../rejected-lines.ts";
import { firstLine, type RestoreReport, restore, restoreResult } from "../restore.ts";
import { withSynchronizer } from "../session.ts";
import { unreadable } from "../unreadable.ts";
import { addNamespaceFlag, namespaceOf } from "./namespace.ts";

export const importCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command, "for lines that name none");
    command.addOption(
      new Option("--on-conflict <what>", "of an export: how to treat memories that exist with another content")
        .choices(ON_CONFLICT)
        .default("skip"),
    );
    command.option("--strategy <name>", "with --on-conflict strategy: which (default option repairStrategy)");
  },
  async run(invocation) {
    const [path = "-"] = invocation.args;
    const startedAt = performance.now();
    const bytesTotal = path === "-" ? null : await sizeOf(path);
    const report = newReport();
    const restored = await withSynchronizer(invocation, async (sync): Promise<RestoreReport | null> => {
      const progress = await startProgress("importing", bytesTotal, "{memories} memories, {rejected} rejected");
      // Opened only now: the error of a stream without a reader is an uncaught exception.
      const source = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 256 * 1024 });
      const options = {
        namespace: namespaceOf(invocation),
        signal: invocation.signal,
        onProgress: (bytes: number, { synced, unchanged, degraded, rejected }: ImportReport) =>
          progress.update(bytes, { memories: count(synced + unchanged + degraded), rejected: count(rejected) }),
      };
      try {
        const { first, bytes } = await firstLine(interruptible(source, invocation.signal));
        if (isExportHeader(first)) return await restore(sync, bytes, invocation, report, options.onProgress);
        await importLines(sync, readJsonLines(bytes), options, report);
        return null;
      } catch (error) {
        sayHowFar(invocation, report);
        const isUnreadable = !(error instanceof MnemosyncError) && (error as NodeJS.ErrnoException).syscall === "open";
        throw isUnreadable ? unreadable(path, error) : error;
      } finally {
        progress.stop();
      }
    });
    if (restored !== null) return restoreResult(restored, performance.now() - startedAt);
    const exitCode = report.rejected > 0 ? EXIT.findings : EXIT.ok;
    return { exitCode, json: report, text: reportText(report, performance.now() - startedAt) };
  },
};

function interruptible(source: Readable, signal: AbortSignal): Readable {
  return addAbortSignal(signal, source);
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Error("it is a folder");
    return found.isFile() ? found.size : null; // A pipe or device has no size.
  } catch (error) {
    throw unreadable(path, error);
  }
}

function sayHowFar({ json, say }: Invocation, { synced, degraded }: ImportReport): void {
  if (json) return;
  say(
    `stopped before the end: ${counted(synced + degraded, "memory", "memories")} written. Run it again to go on: ` +
      "memories that are stored already stay unchanged",
  );
}

function reportText(report: ImportReport, milliseconds: number): string {
  const { read, synced, unchanged, degraded, rejected, errors } = report;
  const lines = [
    `${counted(read, "line")} read in ${duration(milliseconds)}: ${count(synced)} synced, ${count(unchanged)} unchanged, ` +
      `${count(degraded)} degraded, ${count(rejected)} rejected`,
  ];
  if (degraded > 0) {
    lines.push(
      "degraded: committed, but a store did not take it (see mnemosync status); mnemosync repair publishes it again",
    );
  }
  lines.push(...rejectedLines(errors, rejected));
  return lines.join("\n");
}
