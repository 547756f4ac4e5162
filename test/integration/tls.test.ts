import { expect, inject, test } from "vitest";
import { ConnectionPoolManager, MemorySynchronizer } from "../../src/index.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { CERTIFICATE_FILE, TlsFront } from "../support/tls-front.ts";

/** Goal: connections over TLS work, and those that ask for a proof of who the server is refuse the wrong one. */

type Test = { onTestFinished: (finish: () => Promise<void>) => void };

async function front(t: Test, url: string, protocol: "postgres" | "redis", host = "127.0.0.1"): Promise<URL> {
  const plain = new URL(url);
  const proxy = await TlsFront.start(Number(plain.port), protocol, host);
  t.onTestFinished(() => proxy.close());
  plain.host = `${host}:${proxy.port}`;
  return plain;
}

/** Whether Postgres can be used by this URL; else the code of the refusal. */
async function tryPostgres(url: string): Promise<string> {
  const pools = new ConnectionPoolManager({ postgresUrl: url, redisUrl: inject("redisUrl") });
  try {
    return await pools.withPostgres(async ({ sql }) => String((await sql<{ one: number }[]>`select 1 as one`)[0]?.one));
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await pools.close();
  }
}

test("Postgres: encryption alone, or with a proof of the chain, or of the name too", async (t) => {
  const url = await front(t, postgresUrl(), "postgres");
  const ask = (query: string): Promise<string> => tryPostgres(`${url.href}?${query}`);
  expect(await ask("sslmode=require")).toBe("1");
  expect(await ask(`sslmode=verify-ca&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await ask(`sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await ask("sslmode=verify-full")).toBe("STORE_REFUSED");
  expect(await ask("sslrootcert=system")).toBe("STORE_REFUSED");
  expect(await ask("sslmode=disable")).toBe("STORE_UNAVAILABLE");
  // The certificate is for 127.0.0.1, and this is another address of the same machine.
  const other = await front(t, postgresUrl(), "postgres", "127.0.0.2");
  expect(await tryPostgres(`${other.href}?sslmode=verify-ca&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await tryPostgres(`${other.href}?sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`)).toBe("STORE_REFUSED");
});

test("a synchronizer works over TLS alone", async (t) => {
  const database = await createTestDatabase(postgresUrl());
  t.onTestFinished(() => database.drop());
  const ledgerUrl = await front(t, database.url, "postgres");
  const redisUrl = await front(t, inject("redisUrl"), "redis");
  redisUrl.protocol = "rediss:";
  const sync = await MemorySynchronizer.connect({
    postgresUrl: `${ledgerUrl.href}?sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`,
    redisUrl: `${redisUrl.href}?tlsCa=${CERTIFICATE_FILE}`,
    redisPrefix: `tls-${process.pid}-${Date.now()}`,
  });
  t.onTestFinished(() => sync.close());
  expect(await sync.syncMemory("m1", { content: "over TLS", memoryType: "t" })).toMatchObject({ status: "synced" });
  expect(await sync.get("m1")).toMatchObject({ source: "redis" });
  await sync.delete("m1");
});

test("Redis with a certificate that nobody vouches for is not used", async (t) => {
  const redisUrl = await front(t, inject("redisUrl"), "redis");
  redisUrl.protocol = "rediss:";
  const pools = new ConnectionPoolManager({ postgresUrl: postgresUrl(), redisUrl: redisUrl.href });
  t.onTestFinished(() => pools.close());
  await expect(pools.withRedis((client) => client.ping())).rejects.toMatchObject({ store: "redis" });
});
