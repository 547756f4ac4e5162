import type { MemorySynchronizer, OnConflict, ImportReport as Restored } from "../index.ts";
import type { ImportReport } from "../transfer/import-lines.ts";
import { readJsonLines } from "../transfer/json-lines.ts";
import type { CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit.ts";
import { count, counted, duration } from "./output.ts";
import { rejectedLines } from "./rejected-lines.ts";

/** The report of an imported export. */
export type RestoreReport = Restored;

/** Bytes that are read to find the first line: a header is short. */
const FIRST_LINE_BYTES_MAX = 65_536;

/** The first line of a file, if it is JSON, and all bytes of the file from its beginning. */
export async function firstLine(
  source: AsyncIterable<Uint8Array>,
): Promise<{ first: unknown; bytes: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let ended = false; !ended && length < FIRST_LINE_BYTES_MAX && !Buffer.concat(chunks).includes("\n"); ) {
    const next = await iterator.next();
    if (next.done) ended = true;
    else {
      chunks.push(next.value);
      length += next.value.length;
    }
  }
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield* chunks.splice(0);
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  return { first: await parsedFirst(chunks.slice()), bytes: bytes() };
}

async function parsedFirst(chunks: readonly Uint8Array[]): Promise<unknown> {
  for await (const { content } of readJsonLines(each(chunks))) return "value" in content ? content.value : null;
  return null;
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** Imports an export. Keeps `sofar` up to date, so that the caller can report the progress after a failure. */
export async function restore(
  sync: MemorySynchronizer,
  bytes: AsyncIterable<Uint8Array>,
  { flags, signal }: Invocation,
  sofar: ImportReport,
  onProgress: (bytes: number, report: ImportReport) => void,
): Promise<RestoreReport> {
  return await sync.importMemories(bytes, {
    onConflict: flags.onConflict as OnConflict,
    ...(typeof flags.strategy === "string" && { strategy: flags.strategy }),
    signal,
    onProgress: (report, position) => {
      Object.assign(sofar, report);
      onProgress(position.bytes, report);
    },
  });
}

export function restoreResult(report: RestoreReport, milliseconds: number): CommandResult {
  const { deferred, rejected, complete } = report;
  const isFine = rejected + deferred === 0 && complete;
  return { exitCode: isFine ? EXIT.ok : EXIT.findings, json: report, text: text(report, milliseconds) };
}

function text(report: RestoreReport, milliseconds: number): string {
  const { read, synced, degraded, unchanged, skipped, overwritten, deferred, historyVersions, rejected, complete } =
    report;
  return [
    `export of ${counted(read, "record")} imported in ${duration(milliseconds)}: ${count(synced)} synced, ` +
      `${count(unchanged)} unchanged, ${count(degraded)} degraded, ${count(rejected)} rejected`,
    `${counted(historyVersions, "replaced version")} added; of memories with other content ${count(overwritten)} ` +
      `overwritten, ${count(skipped)} left as they are, ${count(deferred)} undecided`,
    ...(complete ? [] : ["the export is incomplete: its last record is missing"]),
    ...(degraded > 0 ? ["degraded: committed, but not yet in every store; the backlog publishes it"] : []),
    ...rejectedLines(report.errors, rejected),
  ].join("\n");
}
