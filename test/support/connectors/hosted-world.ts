import postgres from "postgres";
import {
  type ConnectorsContext,
  createConnectors,
  type HostedConnectors,
} from "../../../src/connectors/hosted/create-connectors.ts";
import { ConnectorMetrics } from "../../../src/connectors/hosted/metrics.ts";
import type { WorkHooks } from "../../../src/connectors/hosted/work.ts";
import type { MemoryFeed } from "../../../src/connectors/run/memory-feed.ts";
import { connectorSettings } from "../../../src/connectors/settings.ts";
import type { PostgresAccess } from "../../../src/drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../../../src/drivers/postgres/postgres-pool.ts";
import { type Log, silentLog } from "../../../src/runtime/log.ts";
import { MetricBase } from "../../../src/runtime/metric-base.ts";
import { feedShown } from "../feed-shown.ts";
import type { World } from "../world.ts";

export interface HostedOptions {
  readonly nodeId?: string;
  readonly settings?: Parameters<typeof connectorSettings.parse>[0] & object;
  readonly environment?: Readonly<Record<string, string>>;
  readonly hooks?: WorkHooks;
  readonly log?: Log;
  /** Wraps what the node reaches its ledger and memories by. */
  readonly wrap?: (
    context: Pick<ConnectorsContext, "postgres" | "writer" | "feed">,
  ) => Pick<ConnectorsContext, "postgres" | "writer" | "feed">;
}

/** 32 bytes in base64. */
export const CONNECTOR_KEY = Buffer.alloc(32, 7).toString("base64");

/** The connectors of one node, on the stores of a world: several make a deployment. */
export class HostedNode {
  readonly hosted: HostedConnectors;
  readonly metrics: MetricBase;
  readonly #pool: PostgresPool;
  readonly #sql: postgres.Sql;

  constructor(world: Pick<World, "databaseUrl" | "sync">, options: HostedOptions = {}) {
    const { nodeId = "node-1", settings = {}, environment = {}, hooks = {}, log = silentLog } = options;
    this.#pool = new PostgresPool(world.databaseUrl, { max: 4 });
    this.#sql = postgres(world.databaseUrl, { max: 1, idle_timeout: 1, onnotice: () => undefined });
    this.metrics = new MetricBase();
    const access: PostgresAccess = this.#pool;
    const { wrap = (parts) => parts } = options;
    this.hosted = createConnectors({
      ...wrap({ postgres: access, writer: world.sync, feed: this.#shownFeed(world.sync) }),
      ...{ nodeId, environment, hooks, log, metrics: new ConnectorMetrics(this.metrics), callTimeoutMs: 10_000 },
      settings: connectorSettings.parse({ secretKey: CONNECTOR_KEY, ...settings }),
      run: (_, { signal }, work) => work(signal ?? new AbortController().signal),
    });
  }

  get connectors(): HostedConnectors["connectors"] {
    return this.hosted.connectors;
  }

  start(): void {
    for (const service of this.hosted.services) service.start();
  }

  /** Its connections end, as with its process. */
  async lose(): Promise<void> {
    await this.#pool.close();
  }

  async close(): Promise<void> {
    for (const service of this.hosted.services.toReversed()) await service.stop();
    await this.hosted.close();
    await this.#pool.close();
    await this.#sql.end({ timeout: 1 });
  }

  /** A run delivers what the feed shows when it reads; here that is all that was written before. */
  #shownFeed(feed: MemoryFeed): MemoryFeed {
    return {
      readChanges: async (options) => {
        await feedShown({ sql: this.#sql });
        return await feed.readChanges(options);
      },
      get: (memoryId, options) => feed.get(memoryId, options),
    };
  }

  /** Makes a run in this process, and waits until it has ended. */
  async run(id: string, order: Parameters<HostedConnectors["connectors"]["trigger"]>[1] = {}) {
    const made = await this.connectors.trigger(id, { ...order, here: true });
    let last = made;
    for await (const run of this.connectors.watch(id, made.id)) last = run;
    return last;
  }
}
