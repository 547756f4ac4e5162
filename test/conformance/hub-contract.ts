import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { type HubUnderTest, SOON_MS, untilVersion } from "./hub-under-test.ts";

/** One for all tests of a suite: each has a namespace and devices of its own. */
type OpenHub = (suite: { onTestFinished: (finish: () => Promise<void>) => void }) => Promise<HubUnderTest>;

/** What every transport of the protocol promises an edge. */
export function hubContract(transport: string, open: OpenHub): void {
  let under: HubUnderTest;
  let tests = 0;
  const finishers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    under = await open({ onTestFinished: (finish) => void finishers.push(finish) });
  });
  afterAll(async () => {
    for (const finish of finishers.toReversed()) await finish();
  });

  const opened = async (t: TestContext, ...names: string[]) => {
    const namespace = `${transport}-${++tests}`;
    const devices = names.map((name) => {
      const device = `${name}-${namespace}`;
      return new TestDevice(under.hub(device), device, namespace);
    });
    for (const device of devices) device.epoch = (await device.hub.identify(NEVER_ABORTED)).epoch;
    t.onTestFinished(async () => void (await Promise.all(devices.map(({ hub }) => hub.close()))));
    return { world: under.world, namespace, devices: devices as [TestDevice, TestDevice] };
  };

  describe(`the hub over ${transport}`, () => {
    test("applies each change once, whatever is repeated, and tells it with its writer", async (t) => {
      const { world, namespace, devices } = await opened(t, "a", "b");
      const [a, b] = devices;
      const puts = [1, 2, 3].map((number) => a.put(`m${number}`, 0, { content: `thought ${number}` }));
      expect(await a.push(puts)).toEqual(puts.map(() => ({ status: "applied", version: 1 })));
      // Alone, twice in one push, beside a new one, and many at once: the answers of then.
      expect(await a.push([...puts, puts[0]!, a.put("m4", 0)])).toEqual([
        ...[...puts, puts[0]].map(() => ({ status: "duplicate", version: 1 })),
        { status: "applied", version: 1 },
      ]);
      const late = a.put("m5", 0);
      const racing = await Promise.all(Array.from({ length: 8 }, () => a.one(late)));
      expect(racing.map(({ status }) => status).sort()).toEqual(["applied", ...Array(7).fill("duplicate")]);
      const told = await b.told(5);
      expect(told.map(({ memoryId, version, device }) => [memoryId, version, device])).toEqual(
        expect.arrayContaining([1, 2, 3, 4, 5].map((number) => [`m${number}`, 1, a.device])),
      );
      expect(told).toHaveLength(5);
      expect(told.find(({ memoryId }) => memoryId === "m2")).toMatchObject({
        kind: "put",
        key: puts[1]?.key,
        memory: { privacy: "full", content: "thought 2", metadata: { about: "tests" } },
      });
      if (world === null) return;
      // As any write: Redis has it, by itself or by the backlog.
      await pollUntil(
        "Redis has the memory",
        SOON_MS,
        async () => (await world.redis.hget(world.redisKey("m2", namespace), "version")) === "1",
      );
      expect(await world.sync.get("m2", { namespace })).toMatchObject({ content: "thought 2", version: 1 });
    });

    test("checks the version that a change was made on, and answers with what stands there", async (t) => {
      const { devices } = await opened(t, "a", "b");
      const [a, b] = devices;
      const first = a.put("m", 0);
      await a.one(first);
      expect(await b.one(b.put("m", 0))).toMatchObject({
        status: "conflict",
        current: { version: 1, device: a.device, key: first.key },
      });
      const second = b.put("m", 1, { content: "b was here" });
      expect(await b.one(second)).toEqual({ status: "applied", version: 2 });
      const lost = a.put("m", 1, { content: "too late" });
      expect(await a.one(lost)).toMatchObject({
        status: "conflict",
        current: { kind: "put", version: 2, device: b.device, memory: { content: "b was here" } },
      });
      // A conflict claims no key, and one on what stands there is applied.
      expect(await a.one({ ...lost, baseVersion: 2 })).toEqual({ status: "applied", version: 3 });
      expect(await b.one(b.end("delete", "m", 2))).toMatchObject({ status: "conflict", current: { version: 3 } });
      expect(await b.one(b.end("delete", "m", 3))).toEqual({ status: "applied", version: 4 });
      expect(await a.one(a.put("m", 3))).toMatchObject({
        status: "conflict",
        current: { kind: "deleted", reason: "deleted" },
      });
      expect(await a.one(a.put("unknown", 7))).toEqual({ status: "conflict", current: null });
      // A device that knew neither the memory nor its deletion begins it anew.
      expect(await a.one(a.put("m", 0))).toEqual({ status: "applied", version: 5 });
    });

    test("lets no bad change sink the others", async (t) => {
      const { devices } = await opened(t, "a");
      const [a] = devices;
      const good = [a.put("g1", 0), a.put("g2", 0)];
      const bad = {
        vector: a.put("v", 0, { embedding: "AAAA" }),
        text: a.put("t", 0, { content: "a NUL \u0000" }),
        importance: a.put("i", 0, { importance: 2 }),
        id: a.put("x".repeat(600), 0),
        namespace: a.put("n", 0, {}, { namespace: "a b" }),
      };
      const answers = await a.push([good[0]!, ...Object.values(bad), good[1]!]);
      expect(answers.map((answer) => ("code" in answer ? answer.code : answer.status))).toEqual([
        "applied",
        ...Object.keys(bad).map(() => "VALIDATION"),
        "applied",
      ]);
      // A rejection claims no key: the corrected change may have it.
      expect(await a.one({ ...bad.importance, ...a.put("i", 0), key: bad.importance.key })).toMatchObject({
        status: "applied",
      });
      // Another change under an applied key is refused, and nothing is written.
      const reused = { ...a.put("other", 0), key: good[0]!.key };
      expect(await a.one(reused)).toMatchObject({ status: "rejected", code: "IDEMPOTENCY_KEY_REUSED" });
      const twins = [a.put("w1", 0), { ...a.put("w2", 0), key: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }];
      expect(await a.push([twins[0]!, { ...twins[1]!, key: twins[0]!.key }])).toMatchObject([
        { status: "applied" },
        { status: "rejected", code: "IDEMPOTENCY_KEY_REUSED" },
      ]);
    });

    test("forgets only what is called settled, and never applies a late copy of that", async (t) => {
      const { world, devices } = await opened(t, "a");
      const [a] = devices;
      const changes = [a.put("m1", 0), a.put("m2", 0), a.put("m3", 0)];
      await a.push(changes);
      if (world !== null) {
        await world.sql`update mnemosync.hub_devices set last_seen_at = now() - interval '400 days' where device = ${a.device}`;
      }
      expect(await a.push(changes)).toMatchObject(changes.map(() => ({ status: "duplicate" })));
      a.settledThrough = changes[1]!.key;
      expect(await a.push(changes)).toMatchObject([
        { status: "rejected", code: "SYNC_SETTLED" },
        { status: "rejected", code: "SYNC_SETTLED" },
        { status: "duplicate" },
      ]);
      if (world !== null) {
        const claims = await world.sql`select key from mnemosync.hub_claims where device = ${a.device}`;
        expect(claims).toEqual([{ key: changes[2]!.key }]);
      }
      // It never goes back.
      a.settledThrough = null;
      expect(await a.one(changes[0]!)).toMatchObject({ code: "SYNC_SETTLED" });
      const identity = await a.hub.identify(NEVER_ABORTED);
      expect(identity.device.settledThrough).toBe(changes[1]!.key);
    });

    test("dates a change by its own clock, whatever that says", async (t) => {
      const { devices } = await opened(t, "a", "b");
      const [a, b] = devices;
      const day = 86_400_000;
      const ahead = Date.now() + 365 * day;
      const old = a.put("old", 0, {}, { modifiedAt: ahead - 40 * day });
      const future = a.put("future", 0, {}, { modifiedAt: ahead + day });
      expect(await a.push([old, future], { sentAt: ahead })).toMatchObject([{ version: 1 }, { version: 1 }]);
      const told = new Map((await b.told(2)).map((change) => [change.memoryId, change.modifiedAt]));
      expect(Math.abs((told.get("old") as number) - (Date.now() - 40 * day))).toBeLessThan(day);
      expect(told.get("future")).toBeLessThanOrEqual(Date.now() + 60_000);
    });

    test("takes a withdrawn content out of the ledger, its history and other devices", async (t) => {
      const { world, namespace, devices } = await opened(t, "a", "b");
      const [a, b] = devices;
      const put = a.put("m", 0, { content: "a deep secret", metadata: { deep: "secret" } });
      await a.one(put);
      await b.one(b.put("m", 1, { content: "the secret, edited" }));
      await b.told(1);
      const answer = await a.one(a.end("withdraw", "m", 1)); // Made on an older version: it wins all the same.
      expect(answer).toEqual({ status: "applied", version: 3 });
      if (world !== null) {
        const dump = JSON.stringify([
          await world.sql`select document::text, checksum, encode(embedding, 'hex') from mnemosync.memory_bodies where namespace = ${namespace}`,
          await world.sql`select * from mnemosync.hub_claims where fingerprint is not null and namespace = ${namespace}`,
        ]);
        expect(dump).not.toContain("secret");
        expect(
          await world.sql`select version::int, checksum from mnemosync.memory_bodies where namespace = ${namespace}`,
        ).toEqual([{ version: 3, checksum: null }]);
      }
      expect(await b.told(1)).toMatchObject([{ kind: "withdrawn", reason: "withdrawn", version: 3, device: a.device }]);
      // Repeats are still answered, an older edit does not bring it back, nor does one on the withdrawal by another device.
      expect(await a.one(put)).toEqual({ status: "duplicate", version: 1 });
      expect(await b.one(b.put("m", 2))).toMatchObject({ status: "conflict", current: { kind: "withdrawn" } });
      expect(await b.one(b.put("m", 0))).toMatchObject({ status: "conflict" });
      expect(await b.one(b.put("m", 3))).toMatchObject({ status: "rejected", code: "WITHDRAWN" });
      const redacted = { privacy: "redacted", memoryType: "episodic", importance: 0.9 } as const;
      expect(await a.one(a.put("m", 3, redacted))).toEqual({ status: "applied", version: 4 });
      expect(await b.told(1)).toMatchObject([{ kind: "put", version: 4, holder: false, memory: redacted }]);
      expect((await a.told(1)).at(-1)).toMatchObject({ kind: "put", holder: true });
      if (world === null) return;
      await pollUntil(
        "Redis follows",
        SOON_MS,
        async () => (await world.redis.hget(world.redisKey("m", namespace), "version")) === "4",
      );
    });

    test("never writes what is withheld, and lets only the holder lower the privacy", async (t) => {
      const { world, namespace, devices } = await opened(t, "a", "b");
      if (world === null) return t.skip(); // What the hub itself holds is withheld here.
      const [a, b] = devices;
      const redacted = { privacy: "redacted", memoryType: "semantic", importance: 0.9 } as const;
      // The hub holds the content: an edge changes what it saw, and that alone.
      await world.put({
        namespace,
        memoryId: "hubs",
        content: "the hub's own",
        memoryType: "t",
        metadata: { k: 1 },
        privacy: "redacted",
      });
      expect(await a.told(1)).toMatchObject([{ kind: "put", holder: false, checksum: null, device: null }]);
      expect(await a.one(a.put("hubs", 1, redacted))).toEqual({ status: "applied", version: 2 });
      expect(await untilVersion(world, namespace, "hubs", 2)).toMatchObject({
        content: "the hub's own",
        metadata: { k: 1 },
        memoryType: "semantic",
        importance: 0.9,
        privacy: "redacted",
      });
      expect(await a.one(a.put("hubs", 2, { content: "made up" }))).toMatchObject({ code: "SYNC_PAYLOAD" });
      expect(await a.one(a.end("withdraw", "hubs", 2))).toMatchObject({ code: "SYNC_PAYLOAD" });
      // The edge holds the content.
      expect(await a.one(a.put("own", 0, redacted))).toEqual({ status: "applied", version: 1 });
      expect(await b.one(b.put("own", 1, { content: "guessed" }))).toMatchObject({ code: "SYNC_PAYLOAD" });
      expect(await b.one(b.put("own", 1, { ...redacted, importance: 0.1 }))).toEqual({ status: "applied", version: 2 });
      expect(await a.one(a.put("own", 2, { content: "shared now" }))).toEqual({ status: "applied", version: 3 });
      expect(await a.one(a.put("own", 3, redacted))).toMatchObject({ code: "SYNC_PAYLOAD" });
      // What is local to the hub is not told, and not written by an edge.
      await world.put({ namespace, memoryId: "local", content: "for us", memoryType: "t", privacy: "local_only" });
      expect((await b.pull()).some(({ memoryId }) => memoryId === "local")).toBe(false);
      expect(await b.one(b.put("local", 0))).toMatchObject({ status: "conflict", current: { kind: "withdrawn" } });
      expect(await b.one(b.put("local", 1))).toMatchObject({ status: "rejected", code: "WITHDRAWN" });
    });

    test("answers ERASED for suppressed ids", async (t) => {
      const { namespace, devices } = await opened(t, "a");
      const [a] = devices;
      await a.one(a.put("m", 0));
      await a.told(1);
      await under.erase("m", namespace);
      for (const change of [a.put("m", 1), a.put("m", 0), a.end("delete", "m", 1), a.end("withdraw", "m", 1)]) {
        expect(await a.one(change)).toMatchObject({ status: "rejected", code: "ERASED" });
      }
      expect(await a.told(1)).toMatchObject([{ kind: "deleted", reason: "erased" }]);
    });

    test("wakes a device that waits, and asks one of another epoch to resync", async (t) => {
      const { devices } = await opened(t, "a", "b");
      const [a, b] = devices;
      await b.pull();
      const waiting = b.page({ waitMs: 20_000 });
      await a.one(a.put("m", 0));
      expect((await waiting).changes).toMatchObject([{ memoryId: "m", device: a.device }]);
      const applied = a.put("kept", 0);
      await a.one(applied);
      await under.beginEpoch("another");
      const resync = { code: "RESYNC_REQUIRED", resync: { reason: "epoch", epoch: "another" } };
      a.settledThrough = applied.key;
      await expect(a.one(a.put("m2", 0))).rejects.toMatchObject(resync);
      await expect(b.page()).rejects.toMatchObject(resync);
      // Nothing was settled: offered again under its key, without a base, it is known.
      a.settledThrough = null;
      a.epoch = "another";
      expect(await a.one({ ...applied, baseVersion: null })).toEqual({ status: "duplicate", version: 1 });
      expect(await a.one(a.put("m", null))).toMatchObject({ status: "conflict", current: { version: 1 } });
      expect(await a.one(a.put("m2", null))).toEqual({ status: "applied", version: 1 });
      b.cursor = null;
      expect(await b.told(3)).toHaveLength(3);
    });
  });
}
