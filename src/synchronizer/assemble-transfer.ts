import { MemoryValidator } from "../domain/schema.ts";
import { PortableLedger } from "../ledger/portable-ledger.ts";
import type { ExporterParts } from "../transfer/export.ts";
import type { ImporterParts } from "../transfer/import.ts";
import type { ConsistencyParts } from "./assemble-consistency.ts";
import type { WritingParts } from "./assemble-writing.ts";
import type { Foundation } from "./foundation.ts";

/** What exports and imports memories. */
export interface TransferParts {
  readonly exporter: ExporterParts;
  readonly importer: ImporterParts;
}

export function assembleTransfer(
  foundation: Foundation,
  { batcher }: Pick<WritingParts, "batcher">,
  { records, strategies }: Pick<ConsistencyParts, "records" | "strategies">,
): TransferParts {
  const { options, postgres, ledger, stores, validator, log } = foundation;
  const portable = new PortableLedger(postgres, { callTimeoutMs: options.callTimeoutMs });
  return {
    exporter: { ledger: portable, log },
    importer: {
      ledger,
      records,
      projections: stores.projections,
      portable,
      write: (intent, signal) => batcher.write(intent, true, signal),
      validator,
      // A replaced version may be of an earlier index, so its vectors need not fit this one.
      validators: { memory: validator, history: new MemoryValidator({}, options) },
      strategies,
      defaultStrategy: options.repairStrategy,
      strategyTimeoutMs: options.strategyTimeoutMs,
      log,
    },
  };
}
