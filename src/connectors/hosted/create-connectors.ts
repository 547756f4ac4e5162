import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import { JobKinds } from "../../jobs/job-kind.ts";
import { JobRunner } from "../../jobs/job-runner.ts";
import { JobStore } from "../../jobs/job-store.ts";
import { Jobs } from "../../jobs/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { Service } from "../../runtime/service.ts";
import type { MemoryWriter } from "../run/hub-target.ts";
import type { MemoryFeed } from "../run/memory-feed.ts";
import type { ConnectorSettings } from "../settings.ts";
import type { RunRecord } from "../state/state.ts";
import type { RunCall } from "./connector-call.ts";
import { connectorKind } from "./connector-kind.ts";
import { Connectors } from "./connectors.ts";
import { Definitions } from "./definitions.ts";
import { callLedger } from "./ledger-call.ts";
import type { ConnectorMetrics } from "./metrics.ts";
import { ConnectorScheduler } from "./scheduler.ts";
import { pauseState } from "./state-statements.ts";
import type { RunOutcome, WorkHooks } from "./work.ts";

export interface ConnectorsContext {
  readonly postgres: PostgresAccess;
  readonly writer: MemoryWriter;
  readonly feed: MemoryFeed;
  readonly settings: ConnectorSettings;
  readonly nodeId: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly metrics: ConnectorMetrics;
  readonly run: RunCall;
  /** Milliseconds that one call to the ledger may take. */
  readonly callTimeoutMs: number;
  readonly log: Log;
  readonly hooks?: WorkHooks;
}

export interface HostedConnectors {
  readonly connectors: Connectors;
  /** In the order of starting; none where this node makes no runs. */
  readonly services: readonly Service[];
  /** One look for runs that are queued or have lost their node, without timers. @returns how many began. */
  runOnce(signal: AbortSignal): Promise<number>;
  /** Ends the runs of this node: also those that were begun without its services. */
  close(): Promise<void>;
}

/** Milliseconds between two looks for runs that are due. */
const RUNS_INTERVAL_MS = 2_000;

/** The connectors of a deployment, on one node. Starts nothing. */
export function createConnectors(context: ConnectorsContext): HostedConnectors {
  const {
    postgres,
    writer,
    feed,
    settings,
    nodeId,
    environment,
    metrics,
    run,
    callTimeoutMs,
    log,
    hooks = {},
  } = context;
  const definitions = new Definitions({
    ...{ postgres, environment, callTimeoutMs },
    settings: { ...settings, definitions: settings.definitions ?? {} },
  });
  const store = new JobStore(postgres, { nodeId, callTimeoutMs });
  const kinds = new JobKinds();
  // Of its own, since a run may last for hours: it must not take the place of a check.
  const runner = new JobRunner({
    ...{ name: "connector-runs", store, kinds, stores: [], log },
    concurrencyMax: settings.runsMax,
    pollIntervalMs: RUNS_INTERVAL_MS,
  });
  const jobs = new Jobs({ store, kinds, runner });
  const work = {
    ...{ writer, feed, postgres, callTimeoutMs, hooks },
    mediaDirectory: settings.mediaDirectory ?? null,
  };
  const scheduler = new ConnectorScheduler({
    ...{ definitions, jobs, runner, postgres, callTimeoutMs, log },
    isEnabled: settings.enabled,
  });
  kinds.register(
    connectorKind({
      definitions,
      work,
      onEnded: (connector, outcome, isDryRun) => {
        if (isDryRun) return;
        for (const half of [outcome.run, outcome.delivery]) if (half !== null) metrics.ended(connector, half);
        logEnd(log, connector, outcome);
      },
      stop: async (connector) => {
        const signal = AbortSignal.timeout(callTimeoutMs);
        await callLedger({ postgres, callTimeoutMs }, signal, (sql) => pauseState(sql, connector, "authentication"));
        await scheduler.look(signal);
        log.error({ connector }, "connector.key_refused");
      },
    }),
  );
  metrics.readFrom({ postgres, callTimeoutMs, log });
  return {
    connectors: new Connectors({ definitions, jobs, scheduler, work, run }),
    services: settings.enabled ? [scheduler] : [],
    runOnce: (signal) => runner.runOnce(signal),
    close: () => runner.stop(),
  };
}

/** One event per run: with its figures, and without a text of an item. */
function logEnd(log: Log, connector: string, { run, delivery }: RunOutcome): void {
  for (const half of [run, delivery]) {
    if (half === null) continue;
    const fields = { connector, runId: half.id, state: half.state, ...half.counts, code: half.error?.code ?? null };
    log[levelOf(half)](
      fields,
      half.state === "failed"
        ? "connector.run_failed"
        : half.state === "partial"
          ? "connector.run_partial"
          : "connector.run_ended",
    );
  }
}

function levelOf({ state }: RunRecord): "info" | "warn" {
  return state === "failed" || state === "partial" ? "warn" : "info";
}
