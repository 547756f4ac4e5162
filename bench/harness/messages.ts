import type { ScenarioResult } from "./scenario.ts";

/** What the process of a scenario is told. */
export interface Assignment {
  /** The module that exports the scenario. */
  readonly module: string;
  readonly quick: boolean;
  /** See `BenchContext.trace`. */
  readonly trace: boolean;
  readonly rounds?: number;
  readonly memories?: number;
  readonly conversations?: string;
  /** See `BenchContext.budget`. */
  readonly budgetSeconds: number;
  readonly postgresUrl: string;
  readonly redisUrl: string;
  /** A new, empty folder. */
  readonly folder: string;
  /** The file for its processor profile. */
  readonly profile?: string;
}

/** What it tells. The last one is no `log`. */
export type Report =
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "results"; readonly results: readonly ScenarioResult[] }
  | { readonly kind: "failure"; readonly reason: string };
