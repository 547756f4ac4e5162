import { assertOption } from "./assert-option.ts";

export interface SourceRunOptions {
  /** `changes`: items since the last complete run; `full`: all of them, and what the service has no more is deleted here. */
  readonly scope: "changes" | "full";
  /** Imports items again although they say what they said. @default false */
  readonly force?: boolean;
  /** Items to import at most, from 1; the run is `partial` then. @default all */
  readonly limit?: number;
  /** Counts what would be done, and does nothing. @default false */
  readonly dryRun?: boolean;
  /** Deletes also where that would be more than a fifth of what was imported. @default false */
  readonly allowMassDelete?: boolean;
  /** Milliseconds before the last run's time that are read again: clocks differ, and items arrive late. @default 600_000 */
  readonly overlapMs?: number;
  /** Items whose files are fetched at once. 1 … 100. @default 10 */
  readonly inFlightMax?: number;
}

/** @throws {ValidationError} One is out of its bounds. */
export function assertSourceOptions({ inFlightMax, limit, overlapMs }: SourceRunOptions): void {
  assertOption("inFlightMax", inFlightMax, 1, 100);
  assertOption("limit", limit, 1);
  assertOption("overlapMs", overlapMs, 0);
}
