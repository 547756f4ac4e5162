import { ConfigurationError } from "../../domain/errors.ts";
import type { Filter } from "../../domain/filter/filter.ts";
import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import { pause as timer } from "../../runtime/deadline.ts";
import { LightRagClient } from "../lightrag/client.ts";
import { LightRagSink } from "../lightrag/sink.ts";
import { newRun, resumedRun } from "../run/run-record.ts";
import type { Sink } from "../run/sink.ts";
import { runSink } from "../run/sink-run.ts";
import { transformOf } from "../run/transform.ts";
import type { RunRecord } from "../state/state.ts";
import { callLedger } from "./ledger-call.ts";
import { LedgerSinkState } from "./ledger-sink-state.ts";
import { parseRecordKey } from "./record-key.ts";
import { requeueFailed } from "./record-statements.ts";
import { ConnectorRunningError } from "./running-error.ts";
import { keepTransform, readState } from "./state-statements.ts";
import { sinkStateOf, type Work, type WorkParts } from "./work.ts";
import { claimWriter } from "./writer-statements.ts";

/** Milliseconds between two looks whether a service that takes one writer is free. */
const WRITER_LOOK_MS = 1_000;

/** From the memories of this deployment to another service. */
export async function sinkWork(parts: WorkParts): Promise<Work> {
  const { definition } = parts;
  const sink = sinkOf(parts);
  const selection =
    definition.from.type === "memories"
      ? { namespaces: definition.from.namespaces, where: definition.from.where as Filter | undefined }
      : {};
  return {
    test: (signal) => sink.ping(signal),
    run: async (signal) => ({ run: await deliverMemories(parts, sink, selection, signal), delivery: null }),
  };
}

/** One run of the sink, under the id of the job, once the service has no other writer. */
export async function deliverMemories(
  parts: WorkParts,
  sink: Sink<unknown>,
  selection: { readonly namespaces?: readonly string[] | undefined; readonly where?: Filter | undefined },
  signal: AbortSignal,
): Promise<RunRecord> {
  const { connectorId, definition, order, runId, feed, postgres, callTimeoutMs, onProgress, hooks } = parts;
  const { now = Date.now, pause } = hooks;
  if (order.dryRun) throw new ConfigurationError("a delivery has no dry run: the service alone knows what it takes");
  const transform = await transformOf(definition.transform ?? "standard");
  const connector = sinkStateOf(connectorId, definition) ?? connectorId;
  const call = <T>(work: (sql: Sql) => Promise<T>) => callLedger(parts, signal, work);
  await untilWriter(parts, serviceOf(parts), signal);
  const kept = await call((sql) => readState(sql, connector));
  if (order.scope === "replay") {
    const keys = order.letters === null ? null : order.letters.map(parseRecordKey).filter((key) => key !== null);
    await call((sql) => requeueFailed(sql, connector, keys));
  }
  const isChanged = kept !== null && kept.transform !== null && kept.transform !== transform.version;
  const fromStart = order.scope === "full" || order.force || isChanged;
  const state = new LedgerSinkState(postgres, { connector, callTimeoutMs });
  const earlier = await state.run(runId);
  const begun = earlier === null ? newRun(order.scope, now(), runId) : resumedRun(earlier);
  const record = await runSink(
    { feed, sink, state, transform, onProgress, begun, now, ...(pause && { pause }) },
    { ...selection, fromStart, inFlightMax: definition.inFlightMax },
    signal,
  );
  if ("running" in record) throw new ConnectorRunningError(connectorId, record.running.id);
  if (record.state === "succeeded" || record.state === "partial")
    await call((sql) => keepTransform(sql, connector, transform.version));
  return record;
}

/** Waits until the service has no other writer: two would send one memory twice, or delete what the other one sends. */
async function untilWriter(parts: WorkParts, service: string, signal: AbortSignal): Promise<void> {
  const { pause = timer } = parts.hooks;
  for (;;) {
    signal.throwIfAborted();
    if (await callLedger(parts, signal, (sql) => claimWriter(sql, service, parts.runId))) return;
    await pause(WRITER_LOOK_MS, signal);
  }
}

/** @throws {ConfigurationError} The connector writes to no other service. */
export function sinkOf({
  connectorId,
  definition,
  hooks,
}: Pick<WorkParts, "connectorId" | "definition" | "hooks">): Sink<unknown> {
  const { to } = definition;
  if (to.type !== "lightrag") throw new ConfigurationError("the connector writes to no other service");
  const { type: _, ...settings } = to;
  const { now, pause, random, fetch } = hooks;
  const client = new LightRagClient(settings, {
    ...{ ...(pause && { pause }), ...(random && { random }), ...(fetch && { fetch }) },
  });
  return new LightRagSink(client, { connectorId, ...(now && { now }) }) as Sink<unknown>;
}

/** Names the service of all connectors that write to one server. */
function serviceOf({ definition: { to } }: WorkParts): string {
  const { origin, pathname } = new URL(to.type === "lightrag" ? to.url : "about:blank");
  return `lightrag ${origin}${pathname.replace(/\/+$/, "")}`;
}
