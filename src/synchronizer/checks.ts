import type { StrategyRegistry } from "../conflict/registry.ts";
import type { CheckOptions } from "../consistency/check/check-options.ts";
import type { Checker } from "../consistency/check/checker.ts";
import type { ConsistencyReport } from "../consistency/check/report.ts";
import type { CopyReader } from "../consistency/copies/copy-reader.ts";
import type { MemoryCopies } from "../consistency/copies/memory-copy.ts";
import type { PendingConflicts } from "../consistency/repair/pending-conflicts.ts";
import type { RepairOptions, RepairReport } from "../consistency/repair/repair-options.ts";
import type { Repairer } from "../consistency/repair/repairer.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { CallScope } from "./call-scope.ts";
import type { ReadOptions } from "./calls.ts";

export interface ChecksParts {
  readonly scope: CallScope;
  readonly validator: Pick<MemoryValidator, "validateKey">;
  readonly copies: CopyReader;
  readonly checker: Checker;
  readonly repairer: Repairer;
  readonly conflicts: PendingConflicts;
  readonly strategies: StrategyRegistry;
  /** Decides a repair that names no strategy. */
  readonly defaultStrategy: string;
}

/** The façade's calls that compare and repair stores. `MemorySynchronizer` documents them. */
export class Checks {
  readonly #parts: ChecksParts;

  constructor(parts: ChecksParts) {
    this.#parts = parts;
  }

  get conflicts(): PendingConflicts {
    return this.#parts.conflicts;
  }

  get strategies(): StrategyRegistry {
    return this.#parts.strategies;
  }

  async copies(memoryId: string, options: ReadOptions): Promise<MemoryCopies> {
    const { scope, validator, copies } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("copies", options, (signal) => copies.read(key, options, signal));
  }

  async check(options: CheckOptions): Promise<ConsistencyReport> {
    const { scope, checker } = this.#parts;
    return await scope.runLong("checkConsistency", options.signal, () => checker.run(options));
  }

  async repair(report: Pick<ConsistencyReport, "findings">, options: RepairOptions): Promise<RepairReport> {
    const { scope, repairer, defaultStrategy } = this.#parts;
    const strategy = options.strategy ?? defaultStrategy;
    return await scope.runLong("repairInconsistencies", options.signal, () =>
      repairer.run(report, { ...options, strategy }),
    );
  }
}
