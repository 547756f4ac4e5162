import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { FeedSignal } from "../feed/feed-signal.ts";
import type { NamedCursors } from "../feed/named-cursors.ts";
import type { PastLedger } from "../ledger/past-ledger.ts";
import type { IndexSettings } from "../ledger/settings.ts";
import type { Log } from "../runtime/log.ts";
import type { Service } from "../runtime/service.ts";
import { callSide } from "./call.ts";
import { Comparison } from "./comparison.ts";
import type { ReplicaConnection } from "./connection.ts";
import { keepMark, type ReplicaCursor, readReplicaCursor } from "./cursor-statements.ts";
import { ErasureConfirmer } from "./erasure-confirmer.ts";
import { Hint } from "./hint.ts";
import { LetterRetries } from "./letters.ts";
import { lostTransaction } from "./lost-versions.ts";
import type { ReplicaMetrics } from "./metrics.ts";
import { PrimaryFeed } from "./primary-feed.ts";
import { PrimaryProof } from "./primary-proof.ts";
import { isReplicationPaused, readOldestRunning } from "./primary-statements.ts";
import { Refusals } from "./refusals.ts";
import { repairMemories } from "./repairer.ts";
import { prepareReplica } from "./replica-database.ts";
import { ReplicaOperations, type RunCall } from "./replica-operations.ts";
import { Replication } from "./replication.ts";
import { Replicator } from "./replicator.ts";
import { Reporter } from "./reporter.ts";
import type { ReplicaSettings } from "./settings.ts";
import { Verifier } from "./verifier.ts";

export interface ReplicaContext {
  readonly connection: ReplicaConnection;
  readonly postgres: PostgresAccess;
  readonly past: PastLedger;
  readonly cursors: NamedCursors;
  readonly news: Pick<FeedSignal, "subscribe" | "listen">;
  readonly settings: ReplicaSettings;
  readonly indexes: IndexSettings;
  readonly metrics: ReplicaMetrics;
  readonly run: RunCall;
  /** Names this process. */
  readonly holder: string;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

export interface Replica {
  readonly operations: ReplicaOperations;
  readonly replication: Replication;
  /** In the order of starting. */
  readonly services: readonly Service[];
}

/** Milliseconds between two marks of the primary that the replica keeps. */
const MARK_INTERVAL_MS = 60_000;

/** The replication of one node, and what operators do about it. Starts nothing. */
export function createReplica(context: ReplicaContext): Replica {
  const { connection, postgres, past, cursors, settings, metrics, holder, callTimeoutMs, log } = context;
  const { pool, monitor } = connection;
  const { name } = settings;
  const sides = { primary: postgres, replica: pool, callTimeoutMs };
  const now = (): number => performance.now();
  const hint = new Hint({ cursors, name, holder, now });
  const feed = new PrimaryFeed(postgres, callTimeoutMs);
  const isPaused = (signal: AbortSignal): Promise<boolean> => callSide(sides, postgres, signal, isReplicationPaused);
  let askedAt = Number.NEGATIVE_INFINITY;
  /** Whether to go on: asked once a second, since an operator may have paused it, or another process leads. */
  const mayGoOn = async (epoch: string, place: ReplicaCursor["cursor"], signal: AbortSignal): Promise<boolean> => {
    if (!(await hint.follow(epoch, place, signal))) return false;
    if (now() - askedAt < 1_000) return true;
    askedAt = now();
    return !(await isPaused(signal));
  };
  let markedAt = Number.NEGATIVE_INFINITY;
  const refusals = new Refusals({ ...sides, settings, log });
  const proof = new PrimaryProof({
    past,
    oldestRunning: (signal) => callSide(sides, postgres, signal, readOldestRunning),
    lostTransaction: (signal) => lostTransaction(sides, settings.windowMax, signal),
  });
  const comparison = new Comparison({
    ...{ ...sides, refusals, proof, log },
    onCompared: async (rows, signal) => {
      metrics.compared(rows);
      return await hint.lease(signal);
    },
  });
  const replicator = new Replicator({
    ...{ primary: feed, proof, replica: pool, refusals, comparison, settings, holder, callTimeoutMs, log },
    onMoved: async (place, changes, signal) => {
      metrics.written(changes);
      if (place.epoch === null) replication.note(place.compares === null ? "filling" : "comparing", null);
      return await mayGoOn(place.feedEpoch, place.cursor, signal);
    },
  });
  /** A mark of the primary, made after all that the replica has was committed: a primary that lacks it later went back. */
  const keepProof = async (signal: AbortSignal): Promise<void> => {
    if (now() - markedAt < MARK_INTERVAL_MS) return;
    markedAt = now();
    const state = await callSide(sides, pool, signal, readReplicaCursor);
    const made = state === null ? null : await proof.assertRenewed(state, signal);
    if (made !== null) await callSide(sides, pool, signal, (sql) => keepMark(sql, replicator.fence, made));
  };
  const replication = new Replication({
    replicator,
    hint,
    letters: new LetterRetries({ ...sides, proof, settings, log }),
    erasures: new ErasureConfirmer({ ...sides, proof, name, log }),
    prepare: async (signal) => {
      const { ledger, epoch } = await past.prove(signal);
      const primary = { ledger, epoch, pruned: await feed.pruned(signal) };
      await prepareReplica(pool, primary, { indexes: context.indexes, log, timeoutMs: callTimeoutMs }, signal);
    },
    isPaused,
    keepProof,
    subscribe: (onNews) => context.news.subscribe(onNews),
    listen: (signal) => context.news.listen(signal),
    settings,
    log,
    onState: (state) => metrics.entered(state),
  });
  const reporter = new Reporter({ ...sides, name, cursors, replication, log });
  const verifier = new Verifier({
    ...sides,
    repair: (keys, signal) => repairMemories({ ...sides, proof, log }, holder, keys, signal),
  });
  const report = (signal: AbortSignal) => reporter.report(signal);
  metrics.readFrom(report, log);
  const operations = new ReplicaOperations(
    { name, ...sides, proof, feed, report, verifier, wake: () => replication.wake(), holder },
    context.run,
  );
  return { operations, replication, services: [monitor, replication] };
}
