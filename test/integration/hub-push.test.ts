import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { parseOptions } from "../../src/config/parse.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { createKey } from "../../src/http/keys.ts";
import { encodeHubCursor } from "../../src/hub/hub-cursor.ts";
import { HUB_PATHS } from "../../src/hub/protocol/identity.ts";
import { retentionRules } from "../../src/ledger/retention.ts";
import { TombstoneLedger } from "../../src/ledger/tombstone-ledger.ts";
import { openService, serviceOn, type TestService } from "../support/http-service.ts";
import { injectedHub, NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";

/** Goal: what an edge relies on holds on an operator's worst night, and against a caller with a valid key. */

const WORLD = { faiss: false } as const;

async function deviceOf(service: TestService, name: string, key = service.keys.writer): Promise<TestDevice> {
  const device = new TestDevice(injectedHub(service, name, key), name);
  device.epoch = (await device.hub.identify(NEVER_ABORTED)).epoch;
  return device;
}

describe("exactly once", () => {
  test("a commit whose answer is lost is a duplicate, after a restart of the hub too", async (t) => {
    let lost = 0;
    const onStep = (step: string): void => {
      // After the commit an error is only logged: the answer goes out, and here nobody hears it.
      if (step === "committed") lost++;
    };
    const service = await openService(t, { world: { ...WORLD, settings: { onStep } } });
    const a = await deviceOf(service, "a");
    const changes = [a.put("m1", 0), a.put("m2", 0)];
    await a.push(changes);
    expect(lost).toBeGreaterThan(0);
    await service.world.restart();
    const again = await serviceOn(t, service.world);
    const back = new TestDevice(injectedHub(again, "a", again.keys.writer), "a");
    expect(await back.push(changes)).toEqual(changes.map(() => ({ status: "duplicate", version: 1 })));
    expect(await service.world.sql`select count(*)::int as n from mnemosync.memory_bodies`).toEqual([{ n: 2 }]);
  });

  test("a crash between the claim and the commit leaves neither, and the repeat is applied", async (t) => {
    let fails = true;
    const onStep = (step: string): void => {
      if (step === "committing" && fails) throw new Error("the process is gone");
    };
    const service = await openService(t, { world: { ...WORLD, settings: { onStep, retriesMax: 0 } } });
    const a = await deviceOf(service, "a");
    const put = a.put("m", 0);
    expect(await a.one(put)).toMatchObject({ status: "retry" });
    const tables = () => service.world.sql`
      select (select count(*)::int from mnemosync.hub_claims) as claims,
             (select count(*)::int from mnemosync.hub_memories) as memories,
             (select count(*)::int from mnemosync.memory_versions) as versions`;
    expect(await tables()).toEqual([{ claims: 0, memories: 0, versions: 0 }]);
    fails = false;
    expect(await a.one(put)).toEqual({ status: "applied", version: 1 });
    expect(await tables()).toEqual([{ claims: 1, memories: 1, versions: 1 }]);
  });

  test("a push waits for no settling of its device, and a copy of it is applied once, whenever the key is settled", async (t) => {
    const gate = gateAt("locked");
    const service = await openService(t, { world: { ...WORLD, settings: { onStep: gate.onStep } } });
    const a = await deviceOf(service, "a");
    const put = a.put("m", 0);
    await a.one(put);
    // A late copy has read its claim, and stands before the rest of its transaction.
    gate.hold();
    const copy = a.one(put);
    await gate.reached();
    // Meanwhile the device calls the key settled: that waits for nothing.
    await a.push([], { settledThrough: put.key });
    expect(await service.world.sql`select key from mnemosync.hub_claims`).toEqual([]);
    gate.letGo();
    expect(await copy).toEqual({ status: "duplicate", version: 1 });
    expect(await a.one(put)).toMatchObject({ status: "rejected", code: "SYNC_SETTLED" });
    expect(await service.world.sql`select version::int from mnemosync.memory_versions`).toEqual([{ version: 1 }]);
  });

  test("a renewed key of another owner goes on where the old one stood, once that is gone", async (t) => {
    const first = createKey({ id: "first", scope: "write", namespaces: "*" });
    const second = createKey({ id: "second", scope: "write", namespaces: "*" });
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const service = await openService(t, {
      world: WORLD,
      entries: [first.entry, { ...second.entry, expiresAt: soon }],
    });
    const a = await deviceOf(service, "a", first.key);
    const put = a.put("m", 0);
    await a.one(put);
    const thief = new TestDevice(injectedHub(service, "a", second.key), "a");
    const steal = thief.push([], { settledThrough: "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" });
    await expect(steal).rejects.toMatchObject({ code: "FORBIDDEN" });
    // Nothing was settled in the name of the other owner.
    expect(await a.one(put)).toEqual({ status: "duplicate", version: 1 });
    // Its owner's last key is gone.
    await service.world.sql`update mnemosync.hub_devices set owner = 'revoked-since'`;
    expect(await thief.one(put)).toEqual({ status: "duplicate", version: 1 });
  });
});

/** Holds writes at a step until they are let go. */
function gateAt(held: string) {
  let waiting: (() => void)[] = [];
  let isHolding = false;
  let arrived = (): void => undefined;
  let arrival = Promise.resolve();
  return {
    hold(): void {
      isHolding = true;
      arrival = new Promise((resolve) => (arrived = resolve));
    },
    reached: () => arrival,
    letGo(): void {
      isHolding = false;
      for (const go of waiting) go();
      waiting = [];
    },
    onStep: async (step: string): Promise<void> => {
      if (step !== held || !isHolding) return;
      arrived();
      await new Promise<void>((resolve) => void waiting.push(resolve));
    },
  };
}

describe("devices", () => {
  test("a revocation waits for the push that is under way: once it is answered, nothing of the device is applied", async (t) => {
    const gate = gateAt("locked");
    const service = await openService(t, { world: { ...WORLD, settings: { onStep: gate.onStep } } });
    const a = await deviceOf(service, "a");
    await a.one(a.put("m1", 0));
    gate.hold();
    const pushing = a.one(a.put("m2", 0));
    await gate.reached();
    const revoking = service.request("DELETE", "/v1/hub/devices/a");
    await pollUntil("the revocation waits for a lock", 30_000, async () => {
      const waiting = await service.world.sql`
        select from pg_stat_activity where wait_event_type = 'Lock' and query like '%hub_devices%'`;
      return waiting.length > 0;
    });
    gate.letGo();
    expect(await pushing).toEqual({ status: "applied", version: 1 });
    expect((await revoking).json()).toMatchObject({ state: "revoked" });
    await expect(a.one(a.put("m3", 0))).rejects.toMatchObject({ code: "DEVICE_REVOKED" });
  });

  test("are listed, revoked and admitted by an operator; a revoked one is refused from the next call on", async (t) => {
    const service = await openService(t, { world: WORLD });
    const a = await deviceOf(service, "a");
    await a.one(a.put("m", 0));
    await a.told(1);
    await a.page();
    const list = (await service.request("GET", "/v1/hub/devices")).json();
    expect(list.devices).toMatchObject([
      { device: "a", owner: "writer", state: "active", unsettled: 1, behindSeconds: 0 },
    ]);
    const other = await deviceOf(service, "b");
    await other.one(other.put("m2", 0));
    expect((await service.request("GET", "/v1/hub/devices/a")).json().behindSeconds).toBeGreaterThanOrEqual(0);
    expect((await service.request("GET", "/v1/hub/devices", { key: service.keys.writer })).statusCode).toBe(403);
    expect((await service.request("DELETE", "/v1/hub/devices/a")).json()).toMatchObject({ state: "revoked" });
    const refused = { code: "DEVICE_REVOKED" };
    await expect(a.one(a.put("m3", 0))).rejects.toMatchObject(refused);
    await expect(a.page()).rejects.toMatchObject(refused);
    await expect(a.hub.identify(NEVER_ABORTED)).rejects.toMatchObject(refused);
    await service.request("POST", "/v1/hub/devices/a/admit");
    expect(await a.one(a.put("m3", 0))).toMatchObject({ status: "applied" });
  });

  test("hold tombstones that they were not told of, for a time, and resync when some are gone", async (t) => {
    const service = await openService(t, { world: WORLD });
    const { world } = service;
    const pool = new PostgresPool(world.databaseUrl, { max: 2 });
    t.onTestFinished(() => pool.close());
    const ledger = new TombstoneLedger(pool, { callTimeoutMs: 20_000 });
    const day = 86_400_000;
    const rules = retentionRules(
      parseOptions({ postgresUrl: "postgres://unused", redisUrl: "none", tombstoneRetentionMs: day }),
    );
    const a = await deviceOf(service, "a");
    await a.one(a.put("m", 0));
    await a.told(1);
    await a.page(); // Its place is kept once it asks to go on.
    await a.one(a.end("delete", "m", 1));
    const ended = async () => {
      await pollUntil("every transaction is marked", 60_000, async () => {
        return (await world.sql`select from mnemosync.sync_transactions where state = 'committed'`).length === 0;
      });
      await world.sql`update mnemosync.memory_versions set deleted_at = now() - interval '90 days' where deleted_at is not null`;
    };
    await ended();
    const pruned = async () => {
      let count = 0;
      for (let pass = 0; pass < 2; pass++) {
        count += (await ledger.pruneTombstones(rules, 60 * day, 10, NEVER_ABORTED)).pruned;
        await world.sql`update mnemosync.version_floors set raised_at = now() - interval '1 hour'`;
      }
      return count;
    };
    expect(await pruned()).toBe(0);
    await world.sql`update mnemosync.hub_devices set last_seen_at = now() - interval '61 days'`;
    expect(await pruned()).toBe(1);
    expect(await world.sql`select * from mnemosync.hub_memories`).toEqual([]);
    await expect(a.page()).rejects.toMatchObject({ code: "RESYNC_REQUIRED", resync: { reason: "tombstones" } });
    a.cursor = null;
    expect(await a.pull()).toEqual([]);
    expect(await a.pull()).toEqual([]);
  });

  test("read what was added to their key from the start, and are told which namespaces remain", async (t) => {
    const entry = (namespaces: string[]) =>
      createKey({ id: `k-${namespaces.join("")}`, owner: "o", scope: "write", namespaces });
    const keys = { a: entry(["a"]), ab: entry(["a", "b"]), b: entry(["b"]) };
    const service = await openService(t, { world: WORLD, entries: Object.values(keys).map((made) => made.entry) });
    const { world } = service;
    for (const namespace of ["a", "b", "c"]) {
      for (const number of [1, 2, 3]) await world.put({ ...world.memory(number, { embedding: null }), namespace });
    }
    const all = { namespaces: null, limit: 2 };
    const of = (key: string, cursor: string | null) => {
      const device = new TestDevice(injectedHub(service, "d", key), "d");
      device.cursor = cursor;
      return device;
    };
    const first = of(keys.a.key, null);
    expect((await first.told(3, all)).map(({ namespace }) => namespace)).toEqual(["a", "a", "a"]);
    const second = of(keys.ab.key, first.cursor);
    await world.put({ ...world.memory(4, { embedding: null }), namespace: "a" });
    const told = await second.told(4, all);
    expect(told.map(({ namespace, memoryId }) => namespace + memoryId)).toEqual(
      expect.arrayContaining(["bm1", "bm2", "bm3", "am4"]),
    );
    expect(await second.pull(all)).toEqual([]);
    const third = of(keys.b.key, second.cursor);
    expect(await third.page(all)).toMatchObject({ namespaces: ["b"], changes: [], complete: true });
    await expect(third.one(third.put("x", 0, {}, { namespace: "a" }))).resolves.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("an attacker with a valid key", () => {
  test("is stopped by the size of a push, before it is inflated or parsed", async (t) => {
    const service = await openService(t, { world: WORLD });
    const a = await deviceOf(service, "a");
    const push = (body: Buffer, headers: Record<string, string> = {}) =>
      service.request("POST", HUB_PATHS.push, { body, headers, key: service.keys.writer });
    const gzip = { "content-encoding": "gzip" };
    const bomb = gzipSync(Buffer.alloc(200 * 1_048_576, " "));
    expect(bomb.length).toBeLessThan(1_048_576);
    expect((await push(bomb, gzip)).statusCode).toBe(413);
    expect((await push(Buffer.from("no gzip"), gzip)).statusCode).toBe(400);
    expect((await push(Buffer.from("{}"), { "content-encoding": "br" })).statusCode).toBe(415);
    const many = Array.from({ length: 501 }, () => ({}));
    await expect(a.push(many as never)).rejects.toMatchObject({ code: "SYNC_BATCH" });
    expect(await service.world.sql`select * from mnemosync.hub_claims`).toEqual([]);
  });

  test("that sends text which PostgreSQL cannot keep is refused, and no device is made of it", async (t) => {
    const service = await openService(t, { world: WORLD });
    const post = (url: string, body: object) => service.request("POST", url, { key: service.keys.writer, body });
    const identify = (name: string) => post(HUB_PATHS.identify, { device: "a", name, protocolVersions: [1] });
    for (const name of ["a\u0000b", "\ud800"]) expect((await identify(name)).statusCode).toBe(422);
    const push = { device: "a", epoch: "a\u0000b", sentAt: 1, settledThrough: null, changes: [] };
    expect((await post(HUB_PATHS.push, push)).statusCode).toBe(422);
    expect(await service.world.sql`select * from mnemosync.hub_devices`).toEqual([]);
    const cursor = encodeHubCursor({
      ...{ epoch: "a\u0000b", place: { xid: "0", seq: "0" }, read: null, filling: null, pruned: null },
    });
    const page = await service.request("GET", `${HUB_PATHS.changes}?device=a&cursor=${encodeURIComponent(cursor)}`, {
      key: service.keys.writer,
    });
    expect(page.statusCode).toBe(422);
  });

  test("has quotas of devices, changes, memories and unsettled answers, each by name; a withdrawal passes", async (t) => {
    const hub = {
      devicesPerOwnerMax: 3,
      changesPerSecondMax: 20,
      claimsPerDeviceMax: 1_000,
      memoriesPerNamespaceMax: 2,
    };
    const service = await openService(t, { world: { ...WORLD, settings: { hub } } });
    const [a, b] = [await deviceOf(service, "a"), await deviceOf(service, "b")];
    await deviceOf(service, "c");
    await expect(deviceOf(service, "d")).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await a.push([a.put("m1", 0), a.put("m2", 0)])).toMatchObject([
      { status: "applied" },
      { status: "applied" },
    ]);
    const burst = Array.from({ length: 200 }, () => ({}) as never);
    expect((await b.push(burst))[0]).toMatchObject({ status: "rejected", code: "SYNC_PAYLOAD" });
    const refused = await b.push([...burst, b.end("withdraw", "m1", 1)]);
    expect([refused[0], refused.at(-1)]).toMatchObject([
      { status: "retry", code: "QUOTA_CHANGES" },
      { status: "applied" },
    ]);
    for (const number of [1, 2]) await service.world.put({ ...service.world.memory(number), namespace: "full" });
    expect(await a.one(a.put("m9", 0, {}, { namespace: "full" }))).toMatchObject({ code: "QUOTA_MEMORIES" });
    // Not counted: PostgreSQL would refuse such a name.
    expect(await a.one(a.put("m9", 0, {}, { namespace: "a\u0000b" }))).toMatchObject({ code: "VALIDATION" });
    await service.world.sql`
      insert into mnemosync.hub_claims select 'c', lpad(n::text, 26, '0'), null, 'default', 'x', 1 from generate_series(1, 1000) n`;
    const c = await deviceOf(service, "c");
    expect(await c.one(c.put("m2", 1))).toMatchObject({ status: "retry", code: "QUOTA_KEYS" });
    c.settledThrough = "00000000000000000000001000";
    expect(await c.one(c.put("m2", 1))).toMatchObject({ status: "applied" });
  });

  test("that gives two changes one key in two pushes at once has one of them applied, and holds up nobody", async (t) => {
    const service = await openService(t, { world: WORLD });
    const [a, b] = [await deviceOf(service, "a"), await deviceOf(service, "b")];
    const one = a.put("m1", 0);
    const two = { ...a.put("m2", 0), key: one.key };
    const [first, second, others] = await Promise.all([
      a.one(one),
      a.one(two),
      b.push([b.put("m3", 0), b.put("m4", 0)]),
    ]);
    const statuses = [first, second].map((answer) => ("code" in answer ? answer.code : answer.status)).sort();
    expect(statuses).toEqual(["IDEMPOTENCY_KEY_REUSED", "applied"]);
    expect(others).toMatchObject([{ status: "applied" }, { status: "applied" }]);
  });
});

test("two devices that edit one memory at once: each edit is applied on what it saw, or told of the other", async (t) => {
  const service = await openService(t, { world: WORLD });
  const devices = [await deviceOf(service, "a"), await deviceOf(service, "b"), await deviceOf(service, "c")];
  const versions = new Set<number>();
  await Promise.all(
    devices.map(async (device) => {
      let base = 0;
      for (let edit = 0; edit < 8; ) {
        const answer = await device.one(device.put("hot", base, { content: `${device.device} ${edit}` }));
        if (answer.status === "applied") {
          expect(versions.has(answer.version)).toBe(false);
          versions.add(answer.version);
          base = answer.version;
          edit++;
        } else {
          expect(answer).toMatchObject({ status: "conflict" });
          base = answer.status === "conflict" ? (answer.current?.version ?? 0) : base;
        }
      }
    }),
  );
  expect([...versions].sort((x, y) => x - y)).toEqual(Array.from({ length: 24 }, (_, index) => index + 1));
  const report = await service.world.sync.checkConsistency({ scope: "deep" });
  expect(report.findings).toEqual([]);
});
