import { parseFilter } from "../domain/filter/filter.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import { type ExporterParts, type ExportOptions, exportRecords } from "../transfer/export.ts";
import type { ExportRecord } from "../transfer/format.ts";
import { type ImporterParts, importRecords } from "../transfer/import.ts";
import type { ImportOptions, ImportReport } from "../transfer/import-options.ts";
import type { ImportSource } from "../transfer/records.ts";
import type { CallScope } from "./call-scope.ts";

export interface TransfersParts {
  readonly scope: CallScope;
  readonly validator: MemoryValidator;
  readonly exporter: ExporterParts;
  readonly importer: ImporterParts;
}

/** The façade's calls that export and import memories. `MemorySynchronizer` documents them. */
export class Transfers {
  readonly #parts: TransfersParts;

  constructor(parts: TransfersParts) {
    this.#parts = parts;
  }

  exportMemories(options: ExportOptions): AsyncGenerator<ExportRecord, void, undefined> {
    const { scope, validator, exporter } = this.#parts;
    scope.assertOpen();
    if (options.namespace !== undefined) validator.validateKey("-", options.namespace);
    const { where, ...others } = options;
    const condition = where === undefined ? null : parseFilter(where);
    return exportRecords(exporter, { ...others, condition }, options.signal ?? new AbortController().signal);
  }

  async importMemories(source: ImportSource, options: ImportOptions): Promise<ImportReport> {
    const { scope, importer } = this.#parts;
    const signal = options.signal ?? new AbortController().signal;
    return await scope.runLong("importMemories", signal, () => importRecords(importer, source, options, signal));
  }
}
