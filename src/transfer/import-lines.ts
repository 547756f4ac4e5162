import { isObject } from "../domain/json.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import type { BatchOptions } from "../write/batch-options.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { JsonLine } from "./json-lines.ts";

/** A line that was not written, and why. */
export interface LineError {
  readonly line: number;
  /** An error code of the library's, or INVALID_JSON. */
  readonly code: string;
  readonly message: string;
}

/** The document that `import --json` prints. */
export interface ImportReport {
  /** Lines that are not blank. */
  read: number;
  synced: number;
  unchanged: number;
  degraded: number;
  rejected: number;
  /** The first ones, in the order of their lines; all of them are counted in `rejected`. */
  errors: LineError[];
}

export interface ImportOptions {
  /** For lines that name none. */
  readonly namespace: string | undefined;
  readonly signal: AbortSignal;
  /** @param bytes of the input that are written. */
  readonly onProgress: (bytes: number, report: ImportReport) => void;
}

/** Takes the lines: a synchronizer, or a stand-in for it. */
interface BatchWriter {
  syncBatch(memories: AsyncIterable<MemoryInput>, options?: BatchOptions): Promise<SyncOutcome[]>;
}

type LinePlace = Pick<JsonLine, "number" | "end">;

/** Errors that are kept; more are counted only. */
const ERRORS_KEPT_MAX = 1_000;
/**
 * A window: the lines of one call of `syncBatch`. The outcomes of all of them are held in memory, and the values of those
 * that are not written yet. Lines of 8 KiB fill 10,000 and 64 MiB about equally; lines of 16 MiB would fill the heap.
 */
const WINDOW_LINES_MAX = 10_000;
const WINDOW_BYTES_MAX = 64 * 1024 * 1024;
/** So many retryable failures in a row mean that a store is gone, not that the lines are bad. */
const OUTAGE_LINES = 200;

/**
 * Writes every line as a memory. A line that cannot be written is reported, and the import continues.
 * @throws the last error when no line gets through any more. `report` has the lines that were written until then.
 */
export async function importLines(
  sync: BatchWriter,
  lines: AsyncIterable<JsonLine>,
  options: ImportOptions,
  report: ImportReport = newReport(),
): Promise<ImportReport> {
  const source = lines[Symbol.asyncIterator]();
  try {
    for (let exhausted = false; !exhausted; ) {
      const written: LinePlace[] = []; // Without their values, which are released once they are written.
      const flawed: LineError[] = [];
      let heldBytes = 0;
      const window = async function* (): AsyncGenerator<MemoryInput> {
        while (written.length + flawed.length < WINDOW_LINES_MAX && heldBytes < WINDOW_BYTES_MAX) {
          const next = await source.next();
          if (next.done) {
            exhausted = true;
            return;
          }
          const { number, end, content } = next.value;
          heldBytes += next.value.heldBytes;
          if ("flaw" in content) flawed.push({ line: number, code: "INVALID_JSON", message: content.flaw });
          else {
            written.push({ number, end });
            yield inNamespace(content.value, options.namespace);
          }
        }
      };
      const before = { ...report };
      const outcomes = await sync.syncBatch(window(), {
        signal: options.signal,
        onProgress: ({ done, counts }) => {
          report.synced = before.synced + counts.synced;
          report.unchanged = before.unchanged + counts.unchanged;
          report.degraded = before.degraded + counts.degraded;
          report.rejected = before.rejected + counts.failed + counts.conflict + flawed.length;
          options.onProgress(written[done - 1]?.end ?? 0, report);
        },
      });
      options.signal.throwIfAborted(); // A write that was withdrawn because of it is no fault of its line.
      report.read += written.length + flawed.length;
      report.rejected = before.rejected + flawed.length + outcomes.filter(isRejected).length;
      const failed = outcomes.flatMap((outcome, index) => lineError(outcome, written[index]));
      const errors = [...flawed, ...failed].sort((a, b) => a.line - b.line);
      report.errors.push(...errors.slice(0, ERRORS_KEPT_MAX - report.errors.length));
      throwOnOutage(outcomes);
    }
  } finally {
    await source.return?.(undefined);
  }
  return report;
}

export function newReport(): ImportReport {
  return { read: 0, synced: 0, unchanged: 0, degraded: 0, rejected: 0, errors: [] };
}

/** A value that is no memory at all is passed on: the library's error names the flaw. */
function inNamespace(value: unknown, namespace: string | undefined): MemoryInput {
  const needsOne = namespace !== undefined && isObject(value) && !Object.hasOwn(value, "namespace");
  return (needsOne ? { ...value, namespace } : value) as MemoryInput;
}

function isRejected(outcome: SyncOutcome): boolean {
  return outcome.status === "failed" || outcome.status === "conflict";
}

function lineError(outcome: SyncOutcome, line: LinePlace | undefined): LineError[] {
  if (!isRejected(outcome)) return [];
  const { code = "INTERNAL", message = "no reason was given" } = outcome.error ?? {};
  return [{ line: line?.number ?? 0, code, message }];
}

/** An outage would otherwise be reported once per line, for as long as the file is. */
function throwOnOutage(outcomes: readonly SyncOutcome[]): void {
  const last = outcomes.slice(-OUTAGE_LINES);
  const error = last.at(-1)?.error;
  if (last.length === OUTAGE_LINES && last.every((outcome) => outcome.error?.retryable)) throw error;
}
