import type { StrategyRegistry } from "../conflict/registry.ts";
import { AbortedError, ErasedError, MnemosyncError, ValidationError } from "../domain/errors.ts";
import { keyText, plainKey } from "../domain/keys.ts";
import type { PortableLedger } from "../ledger/portable-ledger.ts";
import type { ImportedHistory } from "../ledger/portable-statements.ts";
import { newUlid } from "../runtime/ulid.ts";
import { FORMAT_VERSION, type ReadableFormat } from "./format.ts";
import {
  type ConflictPolicy,
  importConflicts,
  importMemory,
  type MemoryImport,
  type MemoryImportParts,
} from "./import-memory.ts";
import {
  type ImportOptions,
  type ImportPosition,
  type ImportReport,
  newImportReport,
  ON_CONFLICT,
  type RejectedRecord,
} from "./import-options.ts";
import { type ImportedVersion, type RecordValidators, readHeader, readRecord } from "./read-record.ts";
import { type ImportSource, type NumberedRecord, numberedRecords } from "./records.ts";

export interface ImporterParts extends MemoryImportParts {
  readonly portable: Pick<PortableLedger, "addHistory">;
  readonly validators: RecordValidators;
  readonly strategies: StrategyRegistry;
  readonly defaultStrategy: string;
}

interface MemoryLine {
  readonly line: number;
  readonly version: ImportedVersion;
  /** Then its history is rejected too. */
  rejected: boolean;
}

interface HistoryLine {
  readonly line: number;
  readonly version: ImportedVersion;
  readonly of: MemoryLine;
}

/** Records that are written together, and the flaws of others among them. */
class Window {
  readonly memories: MemoryLine[] = [];
  readonly history: HistoryLine[] = [];
  readonly rejected: RejectedRecord[] = [];
  /** Of content and vectors. */
  bytes = 0;
  /** Where reading stood behind its last record. */
  position: ImportPosition = { line: 0, bytes: 0 };
  /** Records read until then, since the beginning. */
  read = 0;

  get isFull(): boolean {
    const records = this.memories.length + this.history.length + this.rejected.length;
    return records >= WINDOW_RECORDS || this.bytes >= WINDOW_BYTES_MAX;
  }

  reject(line: number, error: unknown): void {
    if (!(error instanceof MnemosyncError)) throw error;
    this.rejected.push({ line, code: error.code, message: error.message });
  }
}

/**
 * Limits of one window: records, and bytes of their contents and vectors. Two windows are held at most: one is written
 * while the next one is read.
 */
const WINDOW_RECORDS = 1_000;
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
const ERRORS_KEPT_MAX = 1_000;

/**
 * Reads an export and writes its records, window by window. A second import of it changes nothing; an interrupted import is
 * repeated from the beginning.
 * @throws {ConfigurationError} It is no export, or the strategy is unknown.
 * @throws {MnemosyncError} No record gets through any more. Records that were written until then stay.
 */
export async function importRecords(
  parts: ImporterParts,
  source: ImportSource,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ImportReport> {
  const run = new ImportRun(parts, policyOf(parts, options), options, signal);
  const records = numberedRecords(source);
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const record of records) {
      signal.throwIfAborted();
      const full = run.take(record);
      if (full === null) continue;
      await writing;
      writing = run.settle(full);
      writing.catch(() => undefined); // Told when the next window is full, or at the end.
    }
    await writing;
    await run.settle(run.rest());
  } catch (error) {
    await Promise.allSettled([writing]); // Nothing is under way any more when this rejects.
    if (signal.aborted && !(error instanceof MnemosyncError)) throw new AbortedError("the import", { cause: error });
    throw error;
  }
  const { errors: _, ...counts } = run.report;
  parts.log.info(counts, "import.finished");
  return run.report;
}

function policyOf(parts: ImporterParts, { onConflict = "skip", strategy }: ImportOptions): ConflictPolicy {
  if (!ON_CONFLICT.includes(onConflict)) {
    throw new ValidationError("onConflict", `is ${JSON.stringify(onConflict)}; expected ${ON_CONFLICT.join(", ")}`);
  }
  if (onConflict !== "strategy") return { kind: onConflict };
  return { kind: "strategy", strategy: parts.strategies.get(strategy ?? parts.defaultStrategy) };
}

class ImportRun {
  readonly report = newImportReport();
  readonly #parts: ImporterParts;
  readonly #policy: ConflictPolicy;
  readonly #options: ImportOptions;
  readonly #signal: AbortSignal;
  /** Names the import in the rows of the history that it adds. */
  readonly #transactionId = newUlid();
  #format: ReadableFormat = FORMAT_VERSION;
  #window = new Window();
  /** The memory that lines of history belong to; null when its line could not be read. */
  #latest: MemoryLine | null = null;

  constructor(parts: ImporterParts, policy: ConflictPolicy, options: ImportOptions, signal: AbortSignal) {
    this.#parts = parts;
    this.#policy = policy;
    this.#options = options;
    this.#signal = signal;
  }

  /** @returns a window that is full now, to be settled; null while there is room. */
  take(record: NumberedRecord): Window | null {
    this.#window.position = { line: record.number, bytes: record.end };
    this.#read(record);
    this.#window.read = this.report.read;
    return this.#window.isFull ? this.rest() : null;
  }

  /** The records that are in no full window yet. */
  rest(): Window {
    const window = this.#window;
    this.#window = new Window();
    this.#window.position = window.position;
    this.#window.read = window.read;
    return window;
  }

  #read({ number, content }: NumberedRecord): void {
    this.report.read++;
    if (this.report.read === 1) {
      this.#format = readHeader("value" in content ? content.value : null);
      return;
    }
    try {
      if ("flaw" in content) {
        this.#latest = null;
        this.#window.rejected.push({ line: number, code: "INVALID_JSON", message: content.flaw });
      } else if (this.report.complete) {
        throw new ValidationError("", "stands behind the end of the export");
      } else {
        this.#sort(number, content.value);
      }
    } catch (error) {
      this.#window.reject(number, error);
    }
  }

  /** Writes a window. One at a time, since a memory that is rejected has its history in the next window rejected too. */
  async settle(window: Window): Promise<void> {
    const { memories, history, rejected, position, read } = window;
    const undecided: MemoryLine[] = [];
    const writes = memories.map(async (line) => {
      const end = await importMemory(this.#parts, line.version, this.#policy, this.#signal);
      if (end === null) undecided.push(line);
      else this.#count(line, end, window);
    });
    const failure = (await Promise.allSettled(writes)).find((write) => write.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    if (this.#policy.kind === "strategy") {
      const { strategy } = this.#policy;
      const ends = await importConflicts(this.#parts, undecided, strategy, this.#signal);
      for (const [line, end] of ends) this.#count(line, end, window);
    }
    this.#signal.throwIfAborted();
    await this.#addHistory(history, window);
    this.report.rejected += rejected.length;
    rejected.sort((a, b) => a.line - b.line);
    this.report.errors.push(...rejected.slice(0, ERRORS_KEPT_MAX - this.report.errors.length));
    // Records that were read ahead are not counted yet.
    this.#options.onProgress?.({ ...this.report, read }, position);
  }

  #sort(line: number, value: unknown): void {
    const isHistory = (value as { type?: unknown } | null)?.type === "history";
    const latest = this.#latest;
    if (!isHistory) this.#latest = null; // Until it is read: history that follows must not count as an earlier memory's.
    const version = readRecord(value, this.#format, this.#parts.validators);
    if (version === null) {
      this.report.complete = true;
      return;
    }
    const content = version.memory;
    this.#window.bytes += (content?.documentJson.length ?? 0) + (content?.embedding?.byteLength ?? 0);
    if (version.type === "memory") {
      this.#latest = { line, version, rejected: false };
      this.#window.memories.push(this.#latest);
      return;
    }
    const belongs = latest?.version.namespace === version.namespace && latest.version.memoryId === version.memoryId;
    if (latest === null || !belongs) {
      throw new ValidationError("type", "is history, and the current version of its memory was not read before it");
    }
    if (version.version >= latest.version.version) {
      throw new ValidationError("version", `must be below ${latest.version.version}, the memory's current version`);
    }
    this.#window.history.push({ line, version, of: latest });
  }

  #count(line: MemoryLine, end: MemoryImport, window: Window): void {
    const { report } = this;
    if (end.end === "failed") {
      // A store that fails one memory fails the next one too: the import stops, and can be repeated later.
      if (!isFault(end.error)) throw end.error;
      window.reject(line.line, end.error);
      line.rejected = true;
    } else if (end.end === "written") {
      const status = end.outcome.status as "synced" | "degraded" | "unchanged"; // It did not fail.
      report[status]++;
      if (end.overwrites && status !== "unchanged") report.overwritten++;
    } else {
      report[end.end]++;
    }
  }

  async #addHistory(lines: readonly HistoryLine[], window: Window): Promise<void> {
    const erased = await this.#parts.ledger.readErasedKeys(
      lines.map(({ of }) => of.version),
      this.#signal,
    );
    const suppressed = new Set(erased.map(keyText));
    for (const { line, of } of lines) {
      // The deletion of an erased memory changes nothing, so its line is not rejected.
      if (suppressed.has(keyText(of.version))) {
        window.reject(line, new ErasedError(of.version.namespace, of.version.memoryId));
        of.rejected = true;
      } else if (of.rejected) {
        window.reject(line, new ValidationError("", `its memory, line ${of.line}, was rejected`));
      }
    }
    // A memory that was written since it was imported still has, or had, the version that its history leads up to.
    const wanted = lines.filter(({ of }) => !of.rejected).map(importedHistory);
    if (wanted.length === 0) return;
    this.report.historyVersions += await this.#parts.portable.addHistory(wanted, this.#transactionId, this.#signal);
  }
}

/** Whether the record is at fault, rather than a store. */
function isFault(error: MnemosyncError): boolean {
  return error.code === "VALIDATION" || error.code === "ERASED" || (error.code === "STORE_REFUSED" && !error.retryable);
}

function importedHistory({ version, of }: HistoryLine): ImportedHistory {
  const { memory } = version;
  return {
    ...plainKey(version),
    version: version.version,
    versionVector: version.versionVector,
    modifiedAt: version.modifiedAt,
    checksum: memory?.checksum ?? null,
    documentJson: memory?.documentJson ?? null,
    embedding: memory?.embedding ?? null,
    current: { version: of.version.version, checksum: of.version.memory?.checksum ?? null },
  };
}
