import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { sentinelUrl, startSentinel } from "../support/redis-topologies.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** One Redis of the pair, and the proxy by which clients, the sentinel and the other one reach it. */
export interface RedisMember {
  readonly server: EmbeddedServer;
  readonly proxy: TcpProxy;
}

/** Milliseconds without an answer after which the sentinel makes the replica the primary: some of the faults last longer. */
const DOWN_AFTER_MS = 1_000;
const WORK_DEADLINE_MS = 30_000;
/** Milliseconds that a failover may take, retries of the sentinel included. */
const FAILOVER_DEADLINE_MS = 60_000;

/** A primary, a replica and a sentinel, each Redis behind a proxy of its own. */
export class RedisPair {
  readonly url: string;
  readonly #members: readonly [RedisMember, RedisMember];
  readonly #sentinel: EmbeddedServer;
  readonly #password: string;
  #primary: RedisMember;

  private constructor(members: readonly [RedisMember, RedisMember], sentinel: EmbeddedServer, password: string) {
    this.#members = members;
    this.#sentinel = sentinel;
    this.#password = password;
    this.#primary = members[0];
    this.url = sentinelUrl(sentinel, password);
  }

  static async start(settings: Readonly<Record<string, string | number>>): Promise<RedisPair> {
    const password = randomBytes(8).toString("hex");
    const common = { ...settings, requirepass: password, masterauth: password, "repl-diskless-sync-delay": 0 };
    const member = async (): Promise<RedisMember> => {
      const server = await startEmbeddedRedis({ persistent: true, settings: common });
      const proxy = await TcpProxy.start(server.port);
      await withRedis(server, async (redis) => {
        // The address that the primary tells the sentinel, and the sentinel tells clients.
        await redis.config("SET", "replica-announce-ip", "127.0.0.1");
        await redis.config("SET", "replica-announce-port", String(proxy.port));
        await redis.config("REWRITE");
      });
      return { server, proxy };
    };
    const members = [await member(), await member()] as const;
    const [primary, replica] = members;
    await withRedis(replica.server, async (redis) => {
      await redis.replicaof("127.0.0.1", primary.proxy.port);
      await redis.config("REWRITE");
    });
    const pair = new RedisPair(members, await startSentinel(primary.proxy.port, password, DOWN_AFTER_MS), password);
    await pair.untilReplicated();
    return pair;
  }

  /** As of the last `settle`. */
  get primary(): RedisMember {
    return this.#primary;
  }

  get replica(): RedisMember {
    return this.#members[0] === this.#primary ? this.#members[1] : this.#members[0];
  }

  /** Waits until the Redis that the sentinel names is a primary, as it says itself. */
  async settle(): Promise<void> {
    let found: RedisMember | undefined;
    await pollUntil("a primary that the sentinel names", FAILOVER_DEADLINE_MS, async () => {
      found = await this.#named();
      return found !== undefined && (await roleOf(found.server)) === "master";
    });
    this.#primary = found as RedisMember;
  }

  /**
   * Waits until the server that is not the primary is its replica: until then it answers the clients whose links to it did
   * not break. The sentinel breaks them when it makes it a replica, some ten seconds after it named another primary.
   */
  async untilDemoted(): Promise<void> {
    const old = this.replica;
    await pollUntil("the old primary being a replica", FAILOVER_DEADLINE_MS, async () => {
      return old === this.#primary || (await roleOf(old.server)) === "slave";
    });
  }

  /** Waits until the replica has what the primary has. A failover that was due may happen meanwhile. */
  async untilReplicated(): Promise<void> {
    await pollUntil("the replica of Redis", FAILOVER_DEADLINE_MS, async () => {
      await this.settle();
      if ((await roleOf(this.replica.server)) !== "slave") return false;
      let isUp = false;
      await withRedis(this.replica.server, async (redis) => {
        isUp = (await redis.info("replication")).includes("master_link_status:up");
      });
      return isUp;
    });
  }

  /** Cuts the replica off from its primary, and lets it be made a primary all the same: it lags behind from now on. */
  async detachReplica(): Promise<void> {
    await withRedis(this.replica.server, async (redis) => {
      await redis.config("SET", "masterauth", "not the password");
      await redis.call("CLIENT", "KILL", "TYPE", "master");
    });
  }

  /** Reverts `detachReplica`, on whatever server it was done. */
  async attach(): Promise<void> {
    for (const { server } of this.#members) {
      await withRedis(server, async (redis) => {
        await redis.config("SET", "masterauth", this.#password);
        // The sentinel makes a promoted server write its settings down, the wrong password included.
        await redis.config("REWRITE");
      });
    }
  }

  /** The primary dies, the sentinel promotes the replica, the old primary comes back and becomes its replica. */
  async failOver(): Promise<void> {
    const old = this.#primary;
    await old.server.kill();
    await pollUntil("a failover", FAILOVER_DEADLINE_MS, async () => (await this.#named()) !== old);
    await old.server.start();
    await this.settle();
  }

  async close(): Promise<void> {
    await this.#sentinel.close();
    await Promise.allSettled(this.#members.map(({ proxy }) => proxy.close()));
    await Promise.allSettled(this.#members.map(({ server }) => server.close()));
  }

  async #named(): Promise<RedisMember | undefined> {
    let port = 0;
    const client = quietClient(this.#sentinel.url);
    try {
      await client.connect();
      const address = (await client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")) as [string, string];
      port = Number(address[1]);
    } catch {
      return undefined; // The sentinel did not answer in time.
    } finally {
      client.disconnect();
    }
    return this.#members.find(({ proxy }) => proxy.port === port);
  }
}

async function roleOf(server: EmbeddedServer): Promise<string> {
  const client = quietClient(server.url);
  try {
    await client.connect();
    return ((await client.call("ROLE")) as [string])[0];
  } catch {
    return "none"; // Not there at this moment.
  } finally {
    client.disconnect();
  }
}

async function withRedis(server: EmbeddedServer, work: (redis: Redis) => Promise<void>): Promise<void> {
  let failure: unknown;
  // It may be starting, or be made another one's replica, which ends connections.
  await pollUntil("work on a Redis", WORK_DEADLINE_MS, async () => {
    const client = quietClient(server.url);
    try {
      await client.connect();
      await work(client);
      return true;
    } catch (error) {
      failure = error;
      return false;
    } finally {
      client.disconnect();
    }
  }).catch((error: unknown) => {
    throw new Error(`${error}`, { cause: failure });
  });
}

function quietClient(url: string): Redis {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    commandTimeout: 5_000,
  });
  client.on("error", () => undefined);
  return client;
}
