import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, inject, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { createKey } from "../../src/http/keys.ts";
import { programArguments, REPOSITORY } from "../support/program.ts";
import { postgresUrl } from "../support/services.ts";
import { inTime } from "../support/settles.ts";
import { createTestDatabase } from "../support/template-database.ts";

/** Goal: a stop loses nothing that was acknowledged, lets requests under way finish, and ends in the stated time. */

vi.setConfig({ testTimeout: 240_000 });

interface Served {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly sql: postgres.Sql;
  /** What it has printed so far. */
  output(): string;
  put(memoryId: string, content: string): Promise<Response>;
}

/** The service as a process of its own, ready for requests. */
async function serve(
  t: { onTestFinished: (finish: () => Promise<void>) => void },
  environment: Record<string, string> = {},
): Promise<Served> {
  const database = await createTestDatabase(postgresUrl());
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-serve-"));
  const prefix = `serve-${randomBytes(4).toString("hex")}`;
  const { key, entry } = createKey({ id: "test", scope: "admin", namespaces: "*" });
  await writeFile(join(folder, "keys.json"), JSON.stringify({ keys: [entry] }));
  const child = spawn(process.execPath, [...programArguments(), "serve", "--json"], {
    cwd: REPOSITORY,
    env: {
      ...process.env,
      MNEMOSYNC_POSTGRES_URL: database.url,
      MNEMOSYNC_REDIS_URL: inject("redisUrl"),
      MNEMOSYNC_REDIS_PREFIX: prefix,
      MNEMOSYNC_FAISS_DIRECTORY: join(folder, "faiss"),
      MNEMOSYNC_FAISS_DIMENSION: "8",
      MNEMOSYNC_EMBEDDING_PROVIDER: "none",
      MNEMOSYNC_POSTGRES_CONNECTIONS_MIN: "0",
      MNEMOSYNC_HTTP_PORT: "0",
      MNEMOSYNC_HTTP_KEYS_FILE: join(folder, "keys.json"),
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Once all that it wrote is read.
  const exited = once(child, "close").then(([code]) => code as number | null);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  t.onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
    await sql.end({ timeout: 1 });
    await database.drop();
    await rm(folder, { recursive: true, force: true });
    const redis = new Redis(inject("redisUrl"));
    const keys = await redis.keys(`${prefix}:*`);
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
  });
  await pollUntil("the service", 120_000, () => {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${output}`);
    return output.includes("ready");
  });
  const url = /listening on (\S+)/.exec(output)?.[1];
  return {
    child,
    exited,
    sql,
    output: () => output,
    put: (memoryId, content) =>
      fetch(`${url}/v1/namespaces/default/memories/${memoryId}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ content, memoryType: "episodic" }),
      }),
  };
}

/** Keeps writes of `memoryId` waiting until the returned function is called. */
async function lockRow(sql: postgres.Sql, memoryId: string): Promise<() => Promise<void>> {
  const locker = await sql.reserve();
  await locker`begin`;
  await locker`select 1 from mnemosync.memory_versions where memory_id = ${memoryId} for update`;
  return async () => {
    await locker`rollback`;
    locker.release();
  };
}

async function untilWaiting(sql: postgres.Sql): Promise<void> {
  await pollUntil("a request under way", 30_000, async () => {
    const [row] = await sql<{ waiting: boolean }[]>`
      select exists (select 1 from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock') as waiting`;
    return row?.waiting === true;
  });
}

test("SIGTERM under load: requests under way finish, nothing acknowledged is lost, exit code 0", async (t) => {
  const served = await serve(t);
  const { sql, put, child } = served;
  expect((await put("held", "first")).status).toBe(201);
  const acknowledged = new Map<string, number>();
  const refused: number[] = [];
  let stopped = false;
  const workers = Array.from({ length: 8 }, async (_, worker) => {
    for (let turn = 0; !stopped; turn++) {
      const memoryId = `w${worker}-${turn % 20}`;
      try {
        const response = await put(memoryId, `turn ${turn}`);
        const body = (await response.json()) as { version: number };
        if (response.ok) acknowledged.set(memoryId, body.version);
        else refused.push(response.status);
      } catch {
        return; // It listens no more.
      }
    }
  });
  await pollUntil("the load", 60_000, () => acknowledged.size >= 100);
  const release = await lockRow(sql, "held");
  const underWay = put("held", "second");
  await untilWaiting(sql);
  child.kill("SIGTERM");
  await pollUntil("the stop", 30_000, () => served.output().includes("stopping"));
  await release();
  expect((await inTime("the request under way", underWay)).status).toBe(200);
  expect(await inTime("the exit", served.exited)).toBe(0);
  stopped = true;
  await inTime("the load's end", Promise.all(workers));
  expect(new Set(refused.filter((status) => status !== 503))).toEqual(new Set());
  const rows = await sql<{ memory_id: string; version: number }[]>`
    select memory_id, version::int as version from mnemosync.memory_versions`;
  const held = new Map(rows.map(({ memory_id, version }) => [memory_id, version]));
  expect(held.get("held")).toBe(2);
  const lost = [...acknowledged].filter(([memoryId, version]) => (held.get(memoryId) ?? 0) < version);
  expect(lost).toEqual([]);
  expect(served.output()).toContain('"inTime":true');
});

test("a request that does not end is cut off after the stated time, and the process ends", async (t) => {
  const served = await serve(t, { MNEMOSYNC_HTTP_SHUTDOWN_TIMEOUT_MS: "500" });
  await served.put("held", "first");
  const release = await lockRow(served.sql, "held");
  const underWay = served.put("held", "second").catch((error: Error) => error);
  await untilWaiting(served.sql);
  served.child.kill("SIGTERM");
  expect(await inTime("the exit", served.exited)).toBe(1);
  expect(await inTime("the request", underWay)).toBeInstanceOf(Error);
  expect(served.output()).toContain('"inTime":false');
  await release();
});

test("a second signal ends the process at once, whatever is under way", async (t) => {
  const served = await serve(t, { MNEMOSYNC_HTTP_SHUTDOWN_TIMEOUT_MS: "600000" });
  await served.put("held", "first");
  const release = await lockRow(served.sql, "held");
  const underWay = served.put("held", "second").catch((error: Error) => error);
  await untilWaiting(served.sql);
  served.child.kill("SIGTERM");
  await pollUntil("the first signal", 30_000, () => served.output().includes("stopping"));
  expect(served.child.exitCode).toBeNull();
  served.child.kill("SIGTERM");
  expect(await inTime("the exit", served.exited)).toBe(143);
  expect(await inTime("the request", underWay)).toBeInstanceOf(Error);
  await release();
});
