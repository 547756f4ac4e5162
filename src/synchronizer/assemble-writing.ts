import { LEDGER_ID } from "../domain/store-id.ts";
import type { OnEraseStep } from "../erase/erase-step.ts";
import { historyVersionsMaxOf, retentionRules } from "../ledger/retention.ts";
import { storeVersionTemplates } from "../ledger/store-versions.ts";
import { TombstoneLedger } from "../ledger/tombstone-ledger.ts";
import { provenVersion } from "../read/disproved-entries.ts";
import { newUlid } from "../runtime/ulid.ts";
import { keepsMemory } from "../stores/traits.ts";
import { attemptsOf } from "../write/attempt.ts";
import { Backlog, type SettleUnproven } from "../write/backlog.ts";
import { Batcher } from "../write/batcher.ts";
import { Intake } from "../write/intake.ts";
import { Marker } from "../write/marker.ts";
import { Outcomes } from "../write/outcomes.ts";
import { Publisher } from "../write/publisher.ts";
import { type Probed, StoreGate } from "../write/store-gate.ts";
import { Sweeper } from "../write/sweeper.ts";
import { TombstonePruner } from "../write/tombstone-pruner.ts";
import type { OnWriteStep } from "../write/write-step.ts";
import { Writer } from "../write/writer.ts";
import { type Foundation, gateOptions } from "./foundation.ts";

/** Observes the write path and erasures, for fault tests. */
export interface WriteHooks {
  /** Called at the moments of a transaction that `WRITE_STEPS` names. */
  readonly onStep?: OnWriteStep | undefined;
  /**
   * Whether stores need not be asked before the commit although the steps of writes are observed. A lone write does not come to `locked`
   * and `prepared` then, unless its row is not as this process knew it. @default false
   */
  readonly unprepared?: boolean | undefined;
  /** Called at the moments of an erasure that `ERASE_STEPS` names. */
  readonly onEraseStep?: OnEraseStep | undefined;
}

/** What writes memories. */
export interface WritingParts {
  readonly intake: Intake;
  readonly batcher: Batcher;
  readonly marker: Marker;
  readonly outcomes: Outcomes;
  readonly ledgerGate: StoreGate<Probed>;
}

export function assembleWriting(foundation: Foundation, { onStep, unprepared = false }: WriteHooks): WritingParts {
  const {
    options,
    ledger,
    past,
    stores,
    deployment,
    gates,
    validator,
    embedder,
    floors,
    disproved,
    feedSignal,
    metrics,
    log,
  } = foundation;
  const { projections } = stores;
  const outcomes = new Outcomes(projections);
  const ledgerGate = new StoreGate<Probed>(
    { id: LEDGER_ID, health: (signal) => ledger.health(signal) },
    gateOptions(options),
    foundation.monitors.get(LEDGER_ID),
  );
  const marker = new Marker({
    ledger,
    log,
    markTimeoutMs: options.publishTimeoutMs,
    onMarked: onStep && (async () => await onStep("marked")),
  });
  const publisher = new Publisher({
    ledger,
    marker,
    gates,
    log,
    publishTimeoutMs: options.publishTimeoutMs,
    unattached: () => deployment.unattached,
    onStep,
    onUnproven: (store, change) => {
      if (store === stores.cache?.id) disproved.add(change, provenVersion(change));
    },
    onTransaction: (transactionId) => past.noteCommitted(transactionId),
    onCommitted: (key, version) => {
      floors.raise(key, version);
      feedSignal.touch();
    },
  });
  const attempt = attemptsOf({
    ledger,
    storeIds: outcomes.storeIds,
    storeVersions: storeVersionTemplates(
      projections.map(({ id }) => id),
      projections.filter(({ traits }) => keepsMemory(traits, false)).map(({ id }) => id),
    ),
    prepareTimeoutMs: options.prepareTimeoutMs,
    inDoubtTimeoutMs: options.inDoubtTimeoutMs,
    endsUnknown: options.replica.enabled,
    preparesAlways: onStep !== undefined && !unprepared,
    onStep,
  });
  const writer = new Writer({
    attempt,
    publisher,
    outcomes,
    ledger,
    ledgerGate,
    gates,
    log,
    onStoreDown: options.onStoreDown,
    retriesMax: options.retriesMax,
    retryDelayMs: options.retryDelayMs,
  });
  const measured: Pick<Writer, "write"> = {
    write: (intents, chunk) => {
      metrics.write.transactionBegun(intents.length);
      return writer.write(intents, chunk);
    },
  };
  const batcher = new Batcher(measured, outcomes, {
    batchSize: options.batchSize,
    concurrency: options.writeConcurrency,
    waitingMax: options.writeWaitingMax,
  });
  return { intake: new Intake(validator, embedder), batcher, marker, outcomes, ledgerGate };
}

/** What finishes writes in the background. */
export interface UpkeepParts {
  readonly backlog: Backlog;
  readonly sweeper: Sweeper;
}

export function assembleUpkeep(
  { options, postgres, ledger, gates, log }: Foundation,
  { batcher }: Pick<WritingParts, "batcher">,
  settleUnproven: SettleUnproven,
): UpkeepParts {
  const backlog = new Backlog({
    ledger,
    gates,
    log,
    workerId: `${ledger.nodeId}/${process.pid}/${newUlid()}`,
    publishDeadlineMs: options.publishDeadlineMs,
    publishTimeoutMs: options.publishTimeoutMs,
    attemptsMax: options.queueAttemptsMax,
    settleUnproven,
  });
  const { transactionRetentionMs, idempotencyKeyRetentionMs } = options;
  const tombstones = new TombstonePruner({
    ledger: new TombstoneLedger(postgres, options),
    rules: retentionRules(options),
    deviceHoldMs: options.hub.tombstoneHoldMs,
    clock: () => performance.now(),
  });
  const sweeper = new Sweeper({
    ledger,
    batcher,
    tombstones,
    historyVersionsMax: historyVersionsMaxOf(retentionRules(options)),
    transactionRetentionMs,
    idempotencyKeyRetentionMs,
  });
  return { backlog, sweeper };
}
