import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import type { Log } from "../../runtime/log.ts";
import { MergedCounts } from "./merged-counts.ts";
import { MergedGets } from "./merged-gets.ts";
import { MergedHistories } from "./merged-histories.ts";
import { MergedLists } from "./merged-lists.ts";
import { MergedSearches, type MergedSearchesParts } from "./merged-searches.ts";
import type { MergedReadMetrics } from "./metrics.ts";
import { PostgresReplicaReads } from "./postgres-replica-reads.ts";
import { PostgresPrimaryLookup } from "./primary-lookup.ts";
import { LINGER_MS, ReplicaSide } from "./replica-side.ts";

export interface MergedReadsOptions {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly settings: {
    readonly readTimeoutMs: number;
    readonly healthCheckIntervalMs: number;
    readonly archive: "off" | "expired";
    readonly readsWhenPrimaryDown: boolean;
  };
  /** Milliseconds that one call on the primary may take. */
  readonly callTimeoutMs: number;
  readonly searches: MergedSearchesParts;
  readonly metrics: MergedReadMetrics;
  readonly log: Log;
}

/** Reads over the primary and its replica. */
export class MergedReads {
  readonly gets: MergedGets;
  readonly lists: MergedLists;
  readonly counts: MergedCounts;
  readonly searches: MergedSearches;
  readonly histories: MergedHistories;
  readonly #side: ReplicaSide;

  constructor(options: MergedReadsOptions) {
    const { settings, callTimeoutMs, metrics, log } = options;
    const now = (): number => performance.now();
    this.#side = new ReplicaSide({
      reads: new PostgresReplicaReads(options.replica, LINGER_MS, now),
      primary: new PostgresPrimaryLookup(options.primary, callTimeoutMs),
      ...settings,
      archive: settings.archive === "expired",
      metrics,
      log,
      now,
    });
    this.gets = new MergedGets(this.#side);
    this.lists = new MergedLists(this.#side);
    this.counts = new MergedCounts(this.#side);
    this.searches = new MergedSearches(this.#side, options.searches);
    this.histories = new MergedHistories(this.#side);
  }

  /** Ends what is done beside the reads. */
  async close(): Promise<void> {
    await this.#side.close();
  }
}
