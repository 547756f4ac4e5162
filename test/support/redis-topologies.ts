import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

import { join } from "node:path";
import { Redis } from "ioredis";
import { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { Lifeline } from "../../src/dev/lifeline.ts";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { answersOn } from "./port-probe.ts";

/** A Redis cluster of two primaries, half of the slots each. */
export interface TestCluster {
  readonly url: string;
  readonly servers: readonly EmbeddedServer[];
  close(): Promise<void>;
}

export async function startCluster(): Promise<TestCluster> {
  const password = randomBytes(8).toString("hex");
  const settings = { "cluster-enabled": "yes", requirepass: password, "cluster-node-timeout": 500 };
  const servers = await Promise.all([startEmbeddedRedis({ settings }), startEmbeddedRedis({ settings })]);
  const clients = servers.map((server) => new Redis(server.url));
  try {
    const [first, second] = clients as [Redis, Redis];
    await first.call("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
    await second.call("CLUSTER", "ADDSLOTSRANGE", "8192", "16383");
    await first.call("CLUSTER", "MEET", "127.0.0.1", String(servers[1]?.port));
    await pollUntil("the cluster", 60_000, async () => {
      const states = await Promise.all(clients.map((client) => client.call("CLUSTER", "INFO") as Promise<string>));
      return states.every((state) => state.includes("cluster_state:ok") && state.includes("cluster_known_nodes:2"));
    });
  } finally {
    for (const client of clients) client.disconnect();
  }
  return {
    url: `redis+cluster://:${password}@${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    servers,
    close: async () => void (await Promise.all(servers.map((server) => server.close()))),
  };
}

/** A primary with a replica, and one sentinel that makes the replica the primary when that is gone for half a second. */
export interface TestSentinels {
  readonly url: string;
  readonly primary: EmbeddedServer;
  readonly replica: EmbeddedServer;
  close(): Promise<void>;
}

export async function startSentinels(): Promise<TestSentinels> {
  const password = randomBytes(8).toString("hex");
  const settings = { requirepass: password, masterauth: password, "repl-diskless-sync-delay": 0 };
  const primary = await startEmbeddedRedis({ settings });
  const replica = await startEmbeddedRedis({ settings: { ...settings, replicaof: `127.0.0.1 ${primary.port}` } });
  const client = new Redis(replica.url);
  try {
    await pollUntil("the replica", 60_000, async () =>
      (await client.info("replication")).includes("master_link_status:up"),
    );
  } finally {
    client.disconnect();
  }
  const sentinel = await startSentinel(primary.port, password);
  return {
    url: sentinelUrl(sentinel, password),
    primary,
    replica,
    close: async () => {
      await sentinel.close();
      await Promise.all([primary.close(), replica.close()]);
    },
  };
}

/** The URL of the primary that `sentinel` watches. */
export function sentinelUrl(sentinel: EmbeddedServer, password: string): string {
  return `redis+sentinel://:${password}@127.0.0.1:${sentinel.port}/main/0`;
}

/**
 * One sentinel that decides alone.
 * @param primaryPort of the first primary, as the sentinel and the clients reach it.
 * @param downAfterMs without an answer after which the primary counts as gone.
 */
export async function startSentinel(primaryPort: number, password: string, downAfterMs = 500): Promise<EmbeddedServer> {
  const lifeline = new Lifeline("sentinel");
  const file = join(lifeline.folder, "sentinel.conf");
  const lines = [
    "bind 127.0.0.1",
    `dir ${lifeline.folder}`,
    `sentinel monitor main 127.0.0.1 ${primaryPort} 1`,
    `sentinel auth-pass main ${password}`,
    `sentinel down-after-milliseconds main ${downAfterMs}`,
    "sentinel failover-timeout main 3000",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  const sentinel = new EmbeddedServer(
    {
      store: "redis",
      stopSignal: "SIGTERM",
      quitSignal: "SIGKILL",
      portTaken: /Address already in use/,
      command: (port) => ({
        file: process.env.MNEMOSYNC_REDIS_SERVER ?? "redis-server",
        args: [file, "--port", String(port), "--sentinel"],
      }),
      isReady: (port) => answersPing(port),
      url: (port) => `redis://127.0.0.1:${port}`,
    },
    lifeline,
    {},
  );
  await sentinel.start();
  return sentinel;
}

function answersPing(port: number): Promise<boolean> {
  return answersOn(port, (socket, settle) => {
    socket.on("data", (data) => settle(data.toString().startsWith("+PONG")));
    socket.write("PING\r\n");
  });
}
