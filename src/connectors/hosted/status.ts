import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import { readDueTimes } from "../../ledger/schedule-statements.ts";
import { type ConnectorDirection, directionOf } from "../definition.ts";
import type { DefinedConnector } from "./definitions.ts";
import { countImported, countLetters } from "./item-statements.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { countRecords, type RecordCounts } from "./record-statements.ts";
import type { ConnectorRun } from "./run-view.ts";
import { listStates, type StateRow } from "./state-statements.ts";
import { secondState, sinkStateOf, sourceStateOf } from "./work.ts";

/**
 * - `invalid`: its definition cannot be used on this node.
 * - `paused`: by an operator, or since the service does not take the key.
 */
export const CONNECTOR_STATES = ["invalid", "paused", "running", "idle"] as const;

/** How a connector is. Times are milliseconds since 1970. */
export interface ConnectorStatus {
  readonly id: string;
  readonly origin: DefinedConnector["origin"];
  readonly direction: ConnectorDirection | null;
  readonly state: (typeof CONNECTOR_STATES)[number];
  /** Why it is invalid. */
  readonly invalid: string | null;
  readonly pausedBecause: StateRow["pausedBecause"];
  /** Null: it runs on demand. */
  readonly nextRunAt: number | null;
  readonly succeededAt: number | null;
  readonly failures: number;
  /** Where a source reads on, or a sink. Of a connector with both, the source's. */
  readonly cursor: number | string | null;
  readonly deadLetters: number;
  /** Items of the source that were imported; null without a source. */
  readonly imported: number | null;
  /** Memories of the sink; null without one. */
  readonly records: RecordCounts | null;
  readonly lastRun: ConnectorRun | null;
}

/** Name of the job schedule of a connector, and of its full runs. */
export function scheduleNames(id: string): { readonly changes: string; readonly full: string } {
  return { changes: `connector:${id}`, full: `connector:${id}:full` };
}

export interface StatusParts extends LedgerAccess {
  readonly lastRun: (sql: Sql, defined: DefinedConnector) => Promise<ConnectorRun | null>;
}

/** How connectors are, in the order of `connectors`. */
export async function statusOf(
  parts: StatusParts,
  connectors: readonly DefinedConnector[],
  signal: AbortSignal,
): Promise<ConnectorStatus[]> {
  const ids = connectors.flatMap(({ id }) => [id, secondState(id)]);
  const names = connectors.flatMap(({ id }) => Object.values(scheduleNames(id)));
  // In one flight on one connection: while a run writes, each wait for the server, or for another process of it, takes its turn.
  const [due, states, counts, lastRuns] = await callLedger(parts, signal, (sql) =>
    Promise.all([
      readDueTimes(sql, names),
      listStates(sql, ids),
      Promise.all(connectors.map((defined) => countsOf(sql, defined))),
      Promise.all(connectors.map((defined) => parts.lastRun(sql, defined))),
    ]),
  );
  const dueTimes = new Map(due.map(({ name, dueAt }) => [name, Math.floor(dueAt)]));
  return connectors.map((defined, at): ConnectorStatus => {
    const { id, origin, invalid, definition } = defined;
    const { sink, imported, letters, records } = counts[at] as Counts;
    const lastRun = lastRuns[at] ?? null;
    const own = states.find(({ connector }) => connector === id) ?? null;
    const second = states.find(({ connector }) => connector === secondState(id)) ?? null;
    const dueOfOne = Object.values(scheduleNames(id)).flatMap((name) => dueTimes.get(name) ?? []);
    return {
      ...{ id, origin, invalid, imported, records, lastRun },
      direction: definition === null ? null : directionOf(definition),
      state: stateOf(defined, own, lastRun),
      pausedBecause: own?.pausedBecause ?? null,
      nextRunAt: dueOfOne.length === 0 ? null : Math.min(...dueOfOne),
      succeededAt: earliest(
        own?.succeededAt ?? null,
        sink === id || sink === null ? null : (second?.succeededAt ?? null),
      ),
      failures: Math.max(own?.failures ?? 0, second?.failures ?? 0),
      cursor: own?.cursor ?? null,
      deadLetters: letters + (records?.failed ?? 0),
    };
  });
}

interface Counts {
  /** The state of its delivery; null: it delivers nothing. */
  readonly sink: string | null;
  readonly imported: number | null;
  readonly letters: number;
  readonly records: RecordCounts | null;
}

async function countsOf(sql: Sql, { id, definition }: DefinedConnector): Promise<Counts> {
  const source = definition === null ? null : sourceStateOf(id, definition);
  const sink = definition === null ? null : sinkStateOf(id, definition);
  const [imported, letters, records] = await Promise.all([
    source === null ? null : countImported(sql, source),
    source === null ? 0 : countLetters(sql, source),
    sink === null ? null : countRecords(sql, sink),
  ]);
  return { sink, imported, letters, records };
}

function stateOf({ definition }: DefinedConnector, state: StateRow | null, lastRun: ConnectorRun | null) {
  if (definition === null) return "invalid";
  if (lastRun?.state === "running" || lastRun?.state === "queued") return "running";
  return state?.pausedBecause != null ? "paused" : "idle";
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
