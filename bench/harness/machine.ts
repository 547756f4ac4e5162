import { execFile } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus, loadavg, release, tmpdir, totalmem, type } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import postgres from "postgres";
import { median } from "../support/statistics.ts";

/** What figures depend on, by name. Neither host name nor paths. */
export type Machine = Readonly<Record<string, string>>;

/** Looks at this machine and at the servers. */
export async function describeMachine(servers: { postgresUrl: string; redisUrl: string }): Promise<Machine> {
  const load = loadavg(); // First: looking is load too.
  return {
    processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    "fsync of 8 KiB": `${(await fsyncMs()).toFixed(2)} ms (median)`,
    Node: process.versions.node,
    ...(await describePostgres(servers.postgresUrl)),
    ...(await describeRedis(servers.redisUrl)),
    FAISS: await faissVersion(),
    "load average before": load.map((value) => value.toFixed(2)).join(", "),
  };
}

async function describePostgres(url: string): Promise<Machine> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const shown = ["server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size"];
    const rows = await sql<{ name: string; value: string }[]>`
      select name, current_setting(name) as value from unnest(${shown}::text[]) as name`;
    const [version, ...settings] = rows;
    return { PostgreSQL: `${version?.value} (${settings.map(({ name, value }) => `${name} ${value}`).join(", ")})` };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function describeRedis(url: string): Promise<Machine> {
  const redis = new Redis(url);
  try {
    const version = /redis_version:(\S+)/.exec(await redis.info("server"))?.[1] ?? "unknown";
    const [, appendonly] = (await redis.config("GET", "appendonly")) as string[];
    const [, save] = (await redis.config("GET", "save")) as string[];
    return { Redis: `${version} (appendonly ${appendonly}, ${save === "" ? "no snapshots" : `save ${save}`})` };
  } finally {
    redis.disconnect();
  }
}

/** Of the binding, and of the library of the system's packages, against which the binding may have been compiled. */
async function faissVersion(): Promise<string> {
  const path = createRequire(import.meta.url).resolve("faiss-node/package.json");
  const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
  const library = await promisify(execFile)("dpkg-query", ["-W", "libfaiss-dev"]).then(
    ({ stdout }) => `, ${stdout.trim().replace(/\s+/, " ")} is installed`,
    () => "", // Another system, or the binding's own FAISS.
  );
  return `faiss-node ${version}${library}`;
}

/** What every commit waits for, at least once. */
async function fsyncMs(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
  try {
    const file = await open(join(folder, "probe"), "w");
    const times: number[] = [];
    for (let turn = 0; turn < 50; turn++) {
      const startedAt = performance.now();
      await file.write(Buffer.alloc(8_192, turn));
      await file.sync();
      times.push(performance.now() - startedAt);
    }
    await file.close();
    return median(times);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
