import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { diagnoseKeysFile } from "../../../src/cli/doctor/keys.ts";
import { diagnoseBinding, diagnoseNode } from "../../../src/cli/doctor/machine.ts";
import { diagnosePostgres } from "../../../src/cli/doctor/postgres.ts";
import { diagnoseRedis } from "../../../src/cli/doctor/redis.ts";
import { httpSettings } from "../../../src/config/http-settings.ts";
import { createKey } from "../../../src/http/keys.ts";
import type { PostgresFacts } from "../../../src/ledger/server-facts.ts";
import type { RedisFacts } from "../../../src/stores/redis/redis-facts.ts";

const postgres: PostgresFacts = {
  versionNumber: 160_004,
  version: "16.4",
  encoding: "UTF8",
  readOnly: false,
  user: "me",
  database: "memories",
  schemaVersion: 5,
  mayCreateSchema: false,
  tablesWithoutPermission: [],
  fsync: "on",
  fullPageWrites: "on",
  connectionsMax: 100,
  connections: 10,
  oldestWriterSeconds: null,
  preparedTransactions: 0,
  rowsBeyondCaps: 0,
  clockAheadMs: -400,
  clockUncertaintyMs: 3,
};

const redis: RedisFacts = {
  server: null,
  version: "7.2.1",
  role: "master",
  maxmemoryBytes: 0,
  usedMemoryBytes: 5,
  evictionPolicy: "noeviction",
  appendOnly: true,
  lastSaveFailed: false,
};

/** Check and state of everything that is not ok. */
const complaints = (found: readonly { check: string; state: string }[]): string[] =>
  found.filter(({ state }) => state !== "ok").map(({ check, state }) => `${check} ${state}`);

test.each<[Partial<PostgresFacts>, string[]]>([
  [{}, []],
  [{ versionNumber: 130_010 }, ["postgres.version failure"]],
  [{ rowsBeyondCaps: 2 }, ["postgres.caps warning"]],
  [{ rowsBeyondCaps: null }, ["postgres.caps note"]],
  [{ encoding: "LATIN1" }, ["postgres.encoding failure"]],
  [{ readOnly: true }, ["postgres.writable failure"]],
  [{ schemaVersion: 6 }, ["postgres.schema failure"]],
  [{ schemaVersion: 4, mayCreateSchema: true }, ["postgres.schema note"]],
  [{ schemaVersion: null }, ["postgres.schema note", "postgres.permissions failure"]],
  [{ tablesWithoutPermission: ["memories"] }, ["postgres.permissions failure"]],
  [{ fsync: "off" }, ["postgres.durability warning"]],
  [{ connections: 85 }, ["postgres.connections warning"]],
  [{ oldestWriterSeconds: 61 }, ["postgres.feed warning"]],
  [{ preparedTransactions: 1 }, ["postgres.feed warning"]],
  [{ clockAheadMs: 1_500, clockUncertaintyMs: 600 }, []],
  [{ clockAheadMs: -1_500, clockUncertaintyMs: 20 }, ["postgres.clock warning"]],
])("Postgres with %o", (facts, expected) => {
  expect(complaints(diagnosePostgres({ ...postgres, ...facts }, 5, 20))).toEqual(expected);
});

test.each<[Partial<RedisFacts>, string[]]>([
  [{}, []],
  [{ version: null, role: null, evictionPolicy: null }, ["redis.version note"]],
  [{ version: "5.0.14" }, ["redis.version warning"]],
  [{ role: "slave" }, ["redis.writable failure"]],
  [{ evictionPolicy: "allkeys-lru" }, ["redis.eviction note"]],
  [{ maxmemoryBytes: 100, usedMemoryBytes: 91 }, ["redis.memory warning"]],
  [{ maxmemoryBytes: 100, usedMemoryBytes: 91, evictionPolicy: "volatile-lru" }, ["redis.eviction warning"]],
  [{ appendOnly: false }, ["redis.persistence note"]],
  [{ lastSaveFailed: true }, ["redis.persistence warning"]],
])("Redis with %o", (facts, expected) => {
  expect(complaints(diagnoseRedis([{ ...redis, ...facts }]))).toEqual(expected);
});

test("of a cluster every server is looked at, and what is found says where", () => {
  const found = diagnoseRedis([
    { ...redis, server: "a:1" },
    { ...redis, server: "b:2", role: "slave" },
  ]);
  expect(complaints(found)).toEqual(["redis.writable failure"]);
  expect(found.find(({ state }) => state === "failure")?.found).toBe("b:2: is a slave");
});

test("versions of Node before 20.19, and a binding that does not load, are failures with advice", async () => {
  const states = ["18.20.0", "20.18.9", "20.19.0", "22.1.0"].map((version) => diagnoseNode(version).state);
  expect(states).toEqual(["failure", "failure", "ok", "ok"]);
  const missing = await diagnoseBinding(() => Promise.reject(new Error("Cannot find module\nRequire stack")));
  expect(missing).toMatchObject({
    state: "failure",
    found: "Cannot find module",
    advice: expect.stringContaining("npx mnemosync setup"),
  });
});

describe("the keys file", () => {
  const http = httpSettings.parse({});
  const states = async (settings: object) =>
    (await diagnoseKeysFile({ ...http, ...settings })).map(({ check, state }) => `${check} ${state}`);

  test("is fine when it has a valid key and its owner alone can read it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mnemosync-doctor-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const keysFile = join(folder, "keys.json");
    const { entry } = createKey({ id: "a", scope: "read", namespaces: "*", expiresAt: "2030-01-01T00:00:00Z" });
    writeFileSync(keysFile, JSON.stringify({ keys: [entry] }), { mode: 0o600 });
    expect(await states({ keysFile })).toEqual(["http.keysFile ok", "http.keysFile.permissions ok"]);
    chmodSync(keysFile, 0o640);
    expect(await states({ keysFile })).toEqual(["http.keysFile ok", "http.keysFile.permissions warning"]);
    const later = await diagnoseKeysFile({ ...http, keysFile }, Date.parse("2031-01-01T00:00:00Z"));
    expect(later[0]).toMatchObject({ state: "warning", found: expect.stringContaining("refuses every caller") });
    writeFileSync(keysFile, JSON.stringify({ keys: [entry, entry] }));
    expect(await states({ keysFile })).toEqual(["http.keysFile failure"]);
    expect(await states({ keysFile: join(folder, "none.json") })).toEqual(["http.keysFile failure"]);
  });

  test("is worth a note when there is none, and when callers need no key", async () => {
    expect(await states({})).toEqual(["http.keysFile note"]);
    expect(await states({ authentication: "none" })).toEqual(["http.keysFile note"]);
  });
});
