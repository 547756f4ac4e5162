import type { Gauge } from "prom-client";
import type { LedgerReading } from "../ledger/gauge-statements.ts";
import { untilAborted, withDeadline } from "../runtime/deadline.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import type { Log } from "../runtime/log.ts";
import { NAMESPACES_MAX, OTHER_NAMESPACES } from "../runtime/metric-names.ts";
import type { Projection } from "../stores/projection.ts";
import type { NamespaceVectors } from "../stores/vector-index.ts";
import type { Metrics } from "./metrics.ts";

/** Where gauges get their values from. */
export interface ReadingSources {
  /** @throws when the ledger does not answer. */
  ledger(signal: AbortSignal): Promise<LedgerReading>;
  /** Null when the index cannot be asked. */
  vectors(signal: AbortSignal): Promise<readonly NamespaceVectors[] | null>;
  /** Connections by store and state. */
  pools(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly projections: readonly Pick<Projection, "id" | "lagMs">[];
  readonly monitors: readonly HealthMonitor[];
  readonly log: Log;
  /** Milliseconds for which a reading is good enough; 0: read at each scrape. */
  readonly freshMs: number;
  /** Milliseconds that a scrape waits for new readings; then it shows the last ones. */
  readonly timeoutMs: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** At least this many times the duration of a reading lies between two: a slow ledger is asked less often. */
const REST_FACTOR = 20;

const QUEUE_STATES = ["pending", "failed", "dead"] as const;

/**
 * The gauges that need a query. They are read at a scrape, when the last reading is too old: many scrapers cost no more
 * than one, and none at all cost nothing. A ledger that does not answer leaves the last values standing, and
 * `readings_age_seconds` says how old they are.
 */
export class Readings {
  readonly #sources: ReadingSources;
  readonly #metrics: Metrics;
  readonly #now: () => number;
  readonly #queueDepth: Gauge<"store" | "state">;
  readonly #queueAge: Gauge<"store">;
  readonly #lag: Gauge<"store">;
  readonly #up: Gauge<"store">;
  readonly #pool: Gauge<"store" | "state">;
  readonly #vectors: Gauge<"namespace" | "state">;
  readonly #horizon: Gauge<never>;
  readonly #unpublished: Gauge<never>;
  readonly #age: Gauge<never>;
  #dueAt = Number.NEGATIVE_INFINITY;
  #readAt: number;
  #underway: Promise<void> | null = null;

  constructor(metrics: Metrics, sources: ReadingSources) {
    this.#metrics = metrics;
    this.#sources = sources;
    this.#now = sources.now ?? (() => performance.now());
    this.#readAt = this.#now();
    metrics.beforeScrape(() => this.refresh());
    this.#queueDepth = metrics.gauge("queue_depth", "Memories waiting to be published", ["store", "state"]);
    this.#queueAge = metrics.gauge("queue_oldest_age_seconds", "Age of the oldest memory waiting", ["store"]);
    this.#lag = metrics.gauge("store_lag_seconds", "Age of the oldest commit a store may lack", ["store"]);
    this.#up = metrics.gauge("store_up", "1 unless the store is down", ["store"]);
    this.#pool = metrics.gauge("connection_pool_size", "Connections, and calls waiting", ["store", "state"]);
    this.#vectors = metrics.gauge("faiss_vectors", "Vectors in the index", ["namespace", "state"]);
    this.#horizon = metrics.gauge("feed_horizon_age_seconds", "Age of the oldest writing transaction");
    this.#unpublished = metrics.gauge("transactions_unpublished", "Committed and not confirmed yet");
    this.#age = metrics.gauge("readings_age_seconds", "Age of the gauges read from the ledger");
  }

  /** Brings all gauges up to date as far as they need it. Never rejects, and waits for `timeoutMs` at most. */
  refresh(): Promise<void> {
    this.#underway ??= this.#refresh().finally(() => {
      this.#underway = null;
    });
    return this.#underway;
  }

  async #refresh(): Promise<void> {
    const { timeoutMs, freshMs, monitors } = this.#sources;
    const startedAt = this.#now();
    if (startedAt >= this.#dueAt) {
      await withDeadline(timeoutMs, undefined, async (signal) => {
        await Promise.all([
          this.#readLedger(signal),
          this.#readVectors(signal),
          // Background checks see to it themselves, where they run.
          ...monitors
            .filter((monitor) => !monitor.running)
            .map((monitor) => untilAborted(monitor.checkIfOlder(freshMs), signal).catch(showLastState)),
        ]);
      });
      const tookMs = this.#now() - startedAt;
      if (freshMs > 0) this.#dueAt = this.#now() + Math.max(freshMs, tookMs * REST_FACTOR);
    }
    for (const monitor of monitors) this.#up.set({ store: monitor.store }, monitor.state === "down" ? 0 : 1);
    for (const [store, states] of Object.entries(this.#sources.pools())) {
      for (const [state, count] of Object.entries(states)) this.#pool.set({ store, state }, count);
    }
    this.#age.set((this.#now() - this.#readAt) / 1_000);
  }

  async #readLedger(signal: AbortSignal): Promise<void> {
    try {
      this.#show(await this.#sources.ledger(signal));
      this.#readAt = this.#now();
    } catch (error) {
      this.#sources.log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  #show(reading: LedgerReading): void {
    const { queues, transactionsUnpublished, oldestUnpublishedAgeSeconds } = reading;
    for (const projection of this.#sources.projections) {
      const store = projection.id;
      const own = queues.filter((queue) => queue.store === store);
      for (const state of QUEUE_STATES) {
        this.#queueDepth.set({ store, state }, own.find((queue) => queue.state === state)?.memories ?? 0);
      }
      const waiting = own.filter((queue) => queue.state !== "dead").map((queue) => queue.oldestAgeSeconds);
      this.#queueAge.set({ store }, Math.max(0, ...waiting));
      // A dead letter is lacking as well, until somebody sees to it.
      const lacking = own.map((queue) => queue.oldestAgeSeconds);
      // A store of this node alone learns from the feed what other nodes wrote.
      const feedAge = (projection.lagMs ?? 0) / 1_000;
      this.#lag.set({ store }, Math.max(feedAge, oldestUnpublishedAgeSeconds, ...lacking));
    }
    this.#unpublished.set(transactionsUnpublished);
    this.#horizon.set(reading.feedHorizonAgeSeconds);
    this.#metrics.lastCleanCheck(reading.lastCleanCheckSeconds);
  }

  async #readVectors(signal: AbortSignal): Promise<void> {
    const namespaces = await this.#sources.vectors(signal).catch(() => null); // Its health says what is wrong.
    if (namespaces === null) return;
    this.#vectors.reset(); // Namespaces that fell out of the first ones.
    for (const { namespace, live, dead, tombstones } of bounded(namespaces)) {
      this.#vectors.set({ namespace, state: "live" }, live);
      this.#vectors.set({ namespace, state: "dead" }, dead);
      this.#vectors.set({ namespace, state: "tombstone" }, tombstones);
    }
  }
}

/** The largest namespaces, and the sum of the rest. */
function bounded(namespaces: readonly NamespaceVectors[]): NamespaceVectors[] {
  if (namespaces.length <= NAMESPACES_MAX) return [...namespaces];
  const sorted = namespaces.toSorted((a, b) => b.live - a.live || (a.namespace < b.namespace ? -1 : 1));
  const shown = sorted.slice(0, NAMESPACES_MAX);
  const rest = sorted.slice(NAMESPACES_MAX);
  const sum = (pick: (item: NamespaceVectors) => number): number => rest.reduce((total, item) => total + pick(item), 0);
  return [
    ...shown,
    {
      namespace: OTHER_NAMESPACES,
      live: sum((item) => item.live),
      dead: sum((item) => item.dead),
      tombstones: sum((item) => item.tombstones),
    },
  ];
}

function showLastState(): void {
  // The check goes on, and the next scrape shows what it found.
}
