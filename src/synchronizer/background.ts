import type { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import { type Followed, FollowService } from "../feed/follow-service.ts";
import type { JobRunner } from "../jobs/job-runner.ts";
import type { BodyMoves } from "../jobs/kinds/move-bodies.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import { Loop } from "../runtime/loop.ts";
import type { Service } from "../runtime/service.ts";
import { Services } from "../runtime/services.ts";
import type { Projection } from "../stores/projection.ts";
import type { Webhooks } from "../webhooks/create-webhooks.ts";
import type { ConsistencyParts } from "./assemble-consistency.ts";
import type { UpkeepParts } from "./assemble-writing.ts";
import type { Foundation } from "./foundation.ts";

interface BackgroundParts {
  readonly foundation: Foundation;
  readonly upkeep: UpkeepParts;
  readonly consistency: Pick<ConsistencyParts, "leadership" | "consistencyLoop">;
  readonly erase: Loop;
  /** Null where the settings keep the past by number alone. */
  readonly retention: Loop | null;
  readonly jobRunner: JobRunner;
  readonly bodyMoves: BodyMoves;
  readonly webhooks: Pick<Webhooks, "services">;
  readonly replica: { readonly services: readonly Service[] };
  readonly connectors: { readonly services: readonly Service[] };
  readonly monitors: readonly HealthMonitor[];
  readonly pools: ConnectionPoolManager | null;
}

/**
 * All background work of one node. The order is that of starting: a service stops before those that stand above it, so
 * that it can use them until then.
 */
export function backgroundServices(parts: BackgroundParts): Services {
  const {
    foundation,
    upkeep,
    consistency,
    erase,
    retention,
    jobRunner,
    webhooks,
    replica,
    connectors,
    bodyMoves,
    monitors,
    pools,
  } = parts;
  const services: readonly (Service | null)[] = [
    ...new Set<Service>([...monitors, ...(pools?.services ?? [])]), // The pools' monitors are in both lists.
    consistency.leadership,
    syncLoop(foundation, upkeep, bodyMoves),
    followService(foundation),
    consistency.consistencyLoop,
    jobRunner,
    erase,
    retention,
    ...webhooks.services,
    ...replica.services,
    ...connectors.services,
  ];
  return new Services(services.filter((service) => service !== null));
}

/**
 * Works off the backlog, ends expired memories, and has a job made where an older program left rows to be moved. A writer without
 * stores (an edge at `postgres://`) queues its memories and signals that: the pass follows at once where this node listens.
 */
function syncLoop(
  { options, deployment, standings, feedSignal, log }: Foundation,
  { backlog, sweeper }: UpkeepParts,
  bodyMoves: BodyMoves,
): Loop {
  const loop = new Loop({
    name: "sync",
    intervalMs: options.syncIntervalMs,
    log,
    pass: async (signal) => {
      await deployment.keepUp(signal);
      // A store that is away is no reason to leave the others' backlog undone.
      await standings
        .refresh(signal)
        .catch((error: Error) => log.debug({ error: error.message }, "store.standing_unknown"));
      const { more } = await backlog.runOnce({ signal });
      const swept = await sweeper.runOnce(signal);
      await bodyMoves.runOnce(signal);
      return more || swept.more;
    },
  });
  // Without an end: the signal is closed after the services, and a loop that was stopped is not woken.
  feedSignal.subscribe((news) => {
    if (news === "queued") loop.wake();
  });
  return loop;
}

/**
 * Reads what other nodes wrote into the stores of this node: when a node signals news, and at intervals, since signals get
 * lost. Null without such a store.
 */
function followService({ options, stores, followers, feedSignal, log }: Foundation): FollowService | null {
  const byThemselves = stores.projections.flatMap(followedByItself);
  const followed = [...byThemselves, ...followers];
  if (followed.length === 0) return null;
  return new FollowService({ followed, news: feedSignal, intervalMs: options.syncIntervalMs, log });
}

/** A store that keeps a cursor of its own. */
function followedByItself(projection: Projection): Followed[] {
  const { id } = projection;
  if (projection.catchUp === undefined) return [];
  return [{ name: id, catchUp: (signal) => projection.catchUp?.(signal) ?? Promise.resolve() }];
}
