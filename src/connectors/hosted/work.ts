import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import type { Backoff } from "../../runtime/backoff.ts";
import { type ConnectorDefinition, directionOf } from "../definition.ts";
import type { MemoryWriter } from "../run/hub-target.ts";
import type { MemoryFeed } from "../run/memory-feed.ts";
import type { RunCounts, RunRecord } from "../state/state.ts";

/** The order by which a run was made. */
export interface RunOrder {
  /** `replay`: what stands in the dead letters. */
  readonly scope: "changes" | "full" | "replay";
  /** Takes items again although they say what they said. */
  readonly force: boolean;
  /** Items to import at most; null: all. */
  readonly limit: number | null;
  /** Counts what would be done. */
  readonly dryRun: boolean;
  readonly allowMassDelete: boolean;
  /** Of a replay: the dead letters that it takes, by their ids; null: all. */
  readonly letters: readonly string[] | null;
}

/** Of work that is made for its `test` alone. */
export const NO_ORDER: RunOrder = {
  ...{ scope: "changes", force: false, limit: null, dryRun: true, allowMassDelete: false, letters: null },
};

/** For tests: the time that a run sees. */
export interface WorkHooks {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly random?: Backoff["random"];
  readonly fetch?: typeof globalThis.fetch;
}

export interface WorkParts {
  readonly connectorId: string;
  readonly definition: ConnectorDefinition;
  readonly order: RunOrder;
  /** That of the job. */
  readonly runId: string;
  readonly writer: MemoryWriter;
  readonly feed: MemoryFeed;
  readonly postgres: PostgresAccess;
  /** Milliseconds that one call to the ledger may take. */
  readonly callTimeoutMs: number;
  readonly mediaDirectory: string | null;
  readonly onProgress: (counts: RunCounts) => void;
  readonly hooks: WorkHooks;
}

/** What a run came to. */
export interface RunOutcome {
  readonly run: RunRecord;
  /** Of a connector from one service to another: its second half; null where it did not begin. */
  readonly delivery: RunRecord | null;
}

/** What a run of a connector does, by where it reads and writes. */
export interface Work {
  /** @throws {ServiceError} A service does not answer, or does not take the key. */
  test(signal: AbortSignal): Promise<void>;
  /** @throws the reason of `signal`. @throws {MnemosyncError} The ledger is away: the run's end is not kept. */
  run(signal: AbortSignal): Promise<RunOutcome>;
}

/** The state of the second half of a connector from one service to another. */
export function secondState(connectorId: string): string {
  return `${connectorId}/to`;
}

/** The state with the dead letters of a source; null where the connector has no source. */
export function sourceStateOf(id: string, definition: Pick<ConnectorDefinition, "from" | "to">): string | null {
  return directionOf(definition) === "deliver" ? null : id;
}

/** The state with the records of a sink; null where the connector has none. */
export function sinkStateOf(id: string, definition: Pick<ConnectorDefinition, "from" | "to">): string | null {
  const direction = directionOf(definition);
  if (direction === "import") return null;
  return direction === "deliver" ? id : secondState(id);
}
