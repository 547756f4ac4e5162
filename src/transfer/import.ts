import type { StrategyRegistry } from "../conflict/registry.ts";
import { AbortedError, MnemosyncError, ValidationError } from "../domain/errors.ts";
import { plainKey } from "../domain/keys.ts";
import type { PortableLedger } from "../ledger/portable-ledger.ts";
import type { ImportedHistory } from "../ledger/portable-statements.ts";
import { newUlid } from "../runtime/ulid.ts";
import { type ConflictPolicy, importMemory, type MemoryImport, type MemoryImportParts } from "./import-memory.ts";
import {
  type ImportOptions,
  type ImportPosition,
  type ImportReport,
  newImportReport,
  ON_CONFLICT,
  type RejectedRecord,
} from "./import-options.ts";
import { checkHeader, type ImportedVersion, type RecordValidators, readRecord } from "./read-record.ts";
import { type ImportSource, type NumberedRecord, numberedRecords } from "./records.ts";

export interface ImporterParts extends MemoryImportParts {
  readonly portable: Pick<PortableLedger, "addHistory">;
  readonly validators: RecordValidators;
  readonly strategies: StrategyRegistry;
  readonly defaultStrategy: string;
}

/** Whether the history of a memory can be added: its current version is in the ledger as the export has it. */
type Fate = "unsettled" | "as_exported" | "otherwise" | "rejected";

interface MemoryLine {
  readonly line: number;
  readonly version: ImportedVersion;
  fate: Fate;
}

interface HistoryLine {
  readonly line: number;
  readonly version: ImportedVersion;
  readonly of: MemoryLine;
}

/** Records that are written together, with what was wrong with others among them. */
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
 * What is written at a time: records, and bytes of their content and vectors. Twice as much is held at most: one window is
 * written while the next one is read.
 */
const WINDOW_RECORDS = 1_000;
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
const ERRORS_KEPT_MAX = 1_000;

/**
 * Reads an export and writes what it holds, piece by piece. Doing it again changes nothing; one that was interrupted is
 * done again from the beginning.
 * @throws {ConfigurationError} It is no export, or the strategy is unknown.
 * @throws {MnemosyncError} Nothing gets through any more. What was written until then stays.
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

  /** What was taken and is in no full window. */
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
      checkHeader("value" in content ? content.value : null);
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

  /** Writes a window, whose memories' fates may decide about history in the next one: one after the other. */
  async settle(window: Window): Promise<void> {
    const { memories, history, rejected, position, read } = window;
    const ends = await Promise.allSettled(memories.map((line) => this.#import(line, window)));
    const failure = ends.find((end) => end.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    this.#signal.throwIfAborted();
    await this.#addHistory(history, window);
    this.report.rejected += rejected.length;
    rejected.sort((a, b) => a.line - b.line);
    this.report.errors.push(...rejected.slice(0, ERRORS_KEPT_MAX - this.report.errors.length));
    // What was read ahead is not accounted for yet.
    this.#options.onProgress?.({ ...this.report, read }, position);
  }

  #sort(line: number, value: unknown): void {
    const isHistory = (value as { type?: unknown } | null)?.type === "history";
    const latest = this.#latest;
    if (!isHistory) this.#latest = null; // Until it is read: what follows must not be taken for an earlier memory's.
    const version = readRecord(value, this.#parts.validators);
    if (version === null) {
      this.report.complete = true;
      return;
    }
    const content = version.memory;
    this.#window.bytes += (content?.documentJson.length ?? 0) + (content?.embedding?.byteLength ?? 0);
    if (version.type === "memory") {
      this.#latest = { line, version, fate: "unsettled" };
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

  async #import(line: MemoryLine, window: Window): Promise<void> {
    const end = await importMemory(this.#parts, line.version, this.#policy, this.#signal);
    line.fate = this.#count(line, end, window);
  }

  #count(line: MemoryLine, end: MemoryImport, window: Window): Fate {
    const { report } = this;
    if (end.end !== "outcome") {
      report[end.end]++;
      return "otherwise";
    }
    const { outcome, overwrites } = end;
    const { status } = outcome;
    if (status === "failed" || status === "conflict") {
      const error = outcome.error;
      // What a store could not do for one memory it cannot do for the next either: the import stops, and can go on later.
      if (error === undefined || !isFault(error)) throw error ?? new Error("a failure without a reason");
      window.reject(line.line, error);
      return "rejected";
    }
    report[status]++;
    if (overwrites && status !== "unchanged") report.overwritten++;
    const { version, memory } = line.version;
    return outcome.version === version && outcome.checksum === (memory?.checksum ?? null) ? "as_exported" : "otherwise";
  }

  async #addHistory(lines: readonly HistoryLine[], window: Window): Promise<void> {
    for (const { line, of } of lines) {
      if (of.fate === "rejected")
        window.reject(line, new ValidationError("", `its memory, line ${of.line}, was rejected`));
    }
    // A memory that was written since it was imported still has, or had, the version that its history leads up to.
    const wanted = lines.filter(({ of }) => of.fate !== "rejected").map(importedHistory);
    if (wanted.length === 0) return;
    this.report.historyVersions += await this.#parts.portable.addHistory(wanted, this.#transactionId, this.#signal);
  }
}

/** Whether the record is at fault, rather than a store. */
function isFault(error: MnemosyncError): boolean {
  return error.code === "VALIDATION" || (error.code === "STORE_REFUSED" && !error.retryable);
}

function importedHistory({ version, of }: HistoryLine): ImportedHistory {
  const { memory } = version;
  return {
    ...plainKey(version),
    version: version.version,
    versionVector: version.vector,
    modifiedAt: version.modifiedAt,
    checksum: memory?.checksum ?? null,
    documentJson: memory?.documentJson ?? null,
    embedding: memory?.embedding ?? null,
    current: { version: of.version.version, checksum: of.version.memory?.checksum ?? null },
  };
}
