import type { Budget } from "./budget.ts";

/** What `npm run bench` gives to each scenario. */
export interface BenchContext {
  /** A look at everything in a few minutes: fewer memories and rounds, no peers that would have to be installed first. */
  readonly quick: boolean;
  /** Whether to show one call, message by message, in place of measuring; a scenario that cannot measures. */
  readonly trace: boolean;
  /** Of the Redis that nobody else uses. A scenario begins with it empty. */
  readonly redisUrl: string;
  /** A new, empty database on the PostgreSQL that nobody else uses. */
  newDatabase(): Promise<string>;
  /** A new, empty folder that is removed at the end of the scenario. */
  newDirectory(): Promise<string>;
  /** What `--rounds` asks for; a scenario chooses where it is absent. See `planRounds`. */
  readonly rounds?: number;
  /** What `--memories` asks for; a scenario chooses where it is absent. */
  readonly memories?: number;
  /** The file that `--conversations` names. */
  readonly conversations?: string;
  /** The time that is planned for the scenario, from its beginning on, what it sets up included. */
  readonly budget: Budget;
  /** Says where the scenario is, to the person who waits. */
  log(line: string): void;
}

export type Role = "ours" | "floor" | "peer";

/** Rates are better when higher, times when lower. */
export type Unit = "memories/s" | "searches/s" | "operations/s" | "ms" | "s" | "MiB" | "bytes/memory" | "share";

/**
 * One figure of one contender: a value per round. Others of the same unit and figure are shown beside the first one that
 * is a floor, so the floor that counts comes before other floors.
 */
export interface Measure {
  readonly contender: string;
  readonly role: Role;
  /** Which one, where a contender has several of a unit: "p99". */
  readonly figure?: string;
  readonly unit: Unit;
  /** In order of the rounds. */
  readonly values: readonly number[];
  /** What survives the loss of power once the contender has answered. */
  readonly durable?: string;
  /** Rounds that were wanted, where there was no time for all of them. */
  readonly roundsPlanned?: number;
}

/** A promise about a ratio of two medians of one run. */
export interface Target {
  readonly what: string;
  readonly ratio: number;
  readonly bound: number;
  readonly kind: "at least" | "at most";
}

/** Anything that is no measure over rounds. */
export interface FreeTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What grows along with what. */
export interface LinePlot {
  readonly x: string;
  readonly y: string;
  readonly series: readonly { readonly name: string; readonly role: Role; readonly points: readonly Point[] }[];
}

export type Point = readonly [x: number, y: number];

export interface ScenarioResult {
  /** What was measured, with its size: a heading. */
  readonly title: string;
  /** How, in a sentence or two. */
  readonly method: string;
  readonly measures: readonly Measure[];
  readonly targets: readonly Target[];
  readonly table?: FreeTable;
  /** Drawn in the place of bars. */
  readonly lines?: LinePlot;
}

export interface Scenario {
  /** For `--only`. */
  readonly name: string;
  run(context: BenchContext): Promise<ScenarioResult[]>;
}
