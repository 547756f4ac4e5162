import { once } from "node:events";
import type { PostgresAccess, Sql } from "../../../src/drivers/postgres/postgres-access.ts";
import { MemorySynchronizer } from "../../../src/index.ts";
import type { DyingNode } from "./dying-nodes.ts";
import { fastTime } from "./fast-time.ts";
import { HostedNode } from "./hosted-world.ts";

/**
 * A node that dies in a run of a connector: it makes one, and ends itself with SIGKILL once it has had so many effects on others
 * as standard input says: calls that write to the ledger, of jobs too, writes of memories, and requests to services that change
 * something. A death after a read leaves what one before it leaves. Nothing of it is closed, flushed or caught. It is ready before
 * it is told, so that one can be started ahead.
 */
const { databaseUrl, connectorId } = JSON.parse(process.argv[2] ?? "{}") as DyingNode;
const WRITING = /\b(insert into|update mnemosync|delete from)\b/;
let left = Number.POSITIVE_INFINITY;

/** @param isEffect asked afterwards. */
async function counted<T>(call: Promise<T>, isEffect: () => boolean = () => true): Promise<T> {
  try {
    return await call;
  } finally {
    if (isEffect() && --left === 0) process.kill(process.pid, "SIGKILL");
  }
}

/** With `replaced` in place of what the target has under its names. */
function withReplaced<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(of, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name as keyof T];
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
}

function countedPostgres(postgres: PostgresAccess): PostgresAccess {
  return withReplaced(postgres, {
    use(signal, work) {
      let isWrite = false;
      const watched = (sql: Sql): Sql =>
        new Proxy(sql, {
          apply(of, self, args: unknown[]) {
            if (Array.isArray(args[0]) && WRITING.test(args[0].join(" "))) isWrite = true;
            return Reflect.apply(of, self, args);
          },
        });
      const call = postgres.use(signal, (connection) =>
        work(withReplaced(connection, { sql: watched(connection.sql) })),
      );
      return counted(call, () => isWrite);
    },
  });
}

const countedFetch: typeof fetch = (input, init) => {
  const isRead = init?.method === "GET" || /paginated|track_status/.test(String(input));
  return counted(fetch(input, init), () => !isRead);
};

const sync = await MemorySynchronizer.connect({ postgresUrl: databaseUrl, redisUrl: "none" });
const node = new HostedNode(
  { databaseUrl, sync },
  {
    nodeId: "dying",
    hooks: { ...fastTime(8), fetch: countedFetch },
    wrap: ({ postgres, writer, feed }) => ({
      postgres: countedPostgres(postgres),
      writer: {
        syncBatch: (memories, options) => counted(writer.syncBatch(memories, options)),
        delete: (memoryId, options) => counted(writer.delete(memoryId, options)),
      },
      feed,
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
