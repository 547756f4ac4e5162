import { once } from "node:events";
import { MemorySynchronizer } from "../../../src/index.ts";
import type { DyingNode } from "./dying-nodes.ts";
import { fastTime } from "./fast-time.ts";
import { HostedNode } from "./hosted-world.ts";

/**
 * A node that dies in a run of a connector: it makes one, and ends itself with SIGKILL once it has had so many effects on others
 * as standard input says: calls to the ledger, of jobs too, writes of memories, reads of the feed, and requests to services.
 * Nothing of it is closed, flushed or caught. It is ready before it is told, so that one can be started ahead.
 */
const { databaseUrl, connectorId } = JSON.parse(process.argv[2] ?? "{}") as DyingNode;
let left = Number.POSITIVE_INFINITY;

async function counted<T>(effect: Promise<T>): Promise<T> {
  try {
    return await effect;
  } finally {
    if (--left === 0) process.kill(process.pid, "SIGKILL");
  }
}

function countedCalls<T extends object>(target: T, names: readonly (keyof T)[]): T {
  return new Proxy(target, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name, of);
      if (typeof value !== "function") return value;
      const call = (...args: unknown[]): unknown => Reflect.apply(value, of, args);
      if (!names.includes(name as keyof T)) return call;
      return (...args: unknown[]) => counted(call(...args) as Promise<unknown>);
    },
  });
}

const sync = await MemorySynchronizer.connect({ postgresUrl: databaseUrl, redisUrl: "none" });
const node = new HostedNode(
  { databaseUrl, sync },
  {
    nodeId: "dying",
    hooks: { ...fastTime(8), fetch: (...request) => counted(fetch(...request)) },
    wrap: ({ postgres, writer, feed }) => ({
      postgres: countedCalls(postgres, ["use"]),
      writer: countedCalls(writer, ["syncBatch", "delete"]),
      feed: countedCalls(feed, ["readChanges", "get"]),
    }),
  },
);
process.stdout.write("ready\n");
const [effects] = (await once(process.stdin, "data")) as [Buffer];
left = Number(effects.toString("utf8"));
const run = await node.run(connectorId, { scope: "full" });
left = Number.POSITIVE_INFINITY;
process.stdout.write(`${run.state}\n`);
await node.close();
await sync.close();
process.exit(0);
