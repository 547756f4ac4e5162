import { beforeEach, describe, expect, test } from "vitest";
import { useDeployment } from "../support/connectors/deployment.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";
import type { LightRagServer } from "../support/connectors/lightrag-server.ts";
import type { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { recordingLog } from "../unit/faiss/support.ts";

/** Goal: connectors of a deployment: definitions, runs on several nodes, what operators do about them. */

const deployment = useDeployment();
const { node, items, from, importing, delivering, piping } = deployment;
let space: MemorySpaceServer;
let rag: LightRagServer;
let id: string;
beforeEach(() => {
  ({ space, rag, id } = deployment);
});

describe("definitions", () => {
  test("over the API: a key is kept encrypted and never shown, and stays where it reads (hidden)", async () => {
    const { connectors } = node();
    const made = await connectors.create(id, importing());
    expect(JSON.stringify(made.shown)).not.toContain("secret-key");
    expect(made).toMatchObject({ origin: "api", revision: 1, invalid: null, shown: { from: { apiKey: "(hidden)" } } });
    const [row] = await deployment.world
      .sql`select definition::text, secrets from mnemosync.connectors where id = ${id}`;
    expect(row?.definition).not.toContain("secret-key");
    expect(Buffer.from(row?.secrets as Buffer).toString("latin1")).not.toContain("secret-key");
    const replaced = await connectors.replace(id, { ...made.shown, overlapMs: 1 });
    expect(replaced).toMatchObject({ revision: 2, definition: { overlapMs: 1, from: { apiKey: "secret-key" } } });
    await expect(connectors.replace(id, importing(), { revision: 1 })).rejects.toMatchObject({ code: "CONFIGURATION" });
    await connectors.test(id);
    await connectors.remove(id);
    await expect(connectors.get(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("a key that reads (hidden) is not sent to another address: it must be given again", async () => {
    const { connectors } = node();
    const made = await connectors.create(id, importing());
    const from = made.shown.from as object;
    const moved = { ...made.shown, from: { ...from, url: "http://attacker.example" } };
    await expect(connectors.replace(id, moved)).rejects.toMatchObject({
      ...{ code: "VALIDATION", path: "from.apiKey", message: expect.stringContaining("give the secret again") },
    });
    const other = { from: { type: "memories" }, to: { type: "lightrag", url: space.url, apiKey: "(hidden)" } };
    await expect(connectors.replace(id, other)).rejects.toMatchObject({ code: "VALIDATION" });
    expect(await connectors.get(id)).toMatchObject({ revision: 1, definition: { from: { url: space.url } } });
    // The same address in another spelling, and another one with its own key.
    await connectors.replace(id, { ...made.shown, from: { ...from, url: `${space.url}/` } });
    const again = { ...moved, from: { ...from, url: "http://elsewhere.example", apiKey: "another-key" } };
    expect(await connectors.replace(id, again)).toMatchObject({ definition: { from: { apiKey: "another-key" } } });
  });

  test("a box of another connector, or of another key, does not open, and says which setting is missing", async () => {
    const { connectors } = node();
    await connectors.create(id, importing());
    const other = node({ settings: { secretKey: Buffer.alloc(32, 8).toString("base64") } });
    expect(await other.connectors.get(id)).toMatchObject({
      definition: null,
      invalid: expect.stringContaining("MNEMOSYNC_CONNECTORS_SECRET_KEY"),
    });
    const both = { secretKey: Buffer.alloc(32, 8).toString("base64"), previousSecretKey: CONNECTOR_KEY };
    expect((await node({ settings: both }).connectors.get(id)).invalid).toBeNull();
    await connectors.create(`${id}-two`, importing());
    await deployment.world.sql`
      update mnemosync.connectors set secrets = (select secrets from mnemosync.connectors where id = ${id})
      where id = ${`${id}-two`}`;
    expect((await connectors.get(`${id}-two`)).invalid).toContain("cannot be read");
  });

  test("variables: any of them in the settings file, those of connectors over the API; one that is unset is an error", async () => {
    const definitions = { [id]: importing({ from: from({ apiKey: "${SPACE_KEY}" }) }) };
    const good = node({ settings: { definitions }, environment: { SPACE_KEY: "secret-key" } });
    await good.connectors.assertSettings();
    expect((await good.connectors.get(id)).shown).toMatchObject({ from: { apiKey: "${SPACE_KEY}" } });
    await good.connectors.test(id);
    const bad = node({ settings: { definitions } });
    await expect(bad.connectors.assertSettings()).rejects.toThrow("from.apiKey: ${SPACE_KEY} is not set");
    await expect(bad.connectors.trigger(id)).rejects.toMatchObject({ code: "CONFIGURATION" });
    const named = importing({ from: from({ apiKey: "${SPACE_KEY}" }) });
    await expect(good.connectors.create(`${id}-api`, named)).rejects.toThrow("MNEMOSYNC_CONNECTOR_");
    await expect(good.connectors.create(id, importing())).rejects.toThrow("in the settings file");
  });

  test.each([
    ["no service at all", { from: { type: "memories" } }, "one side must be another service"],
    [
      "a password in an address",
      { from: { type: "memory-space", url: "http://u:p@h", context: "c" } },
      "no user and password",
    ],
    ["an unknown field", { from: { type: "memory-space", url: "http://h", context: "c", nme: 1 } }, "nme"],
    [
      "a module over the API",
      { from: { type: "memory-space", url: "http://h", context: "c" }, transform: "/x.mjs" },
      "settings file only",
    ],
    ["no key to encrypt", "a text", "an object"],
    [
      "a cron expression that is none",
      { from: { type: "memory-space", url: "http://h", context: "c" }, schedule: { cron: "every day" } },
      'schedule: cron "every day"',
    ],
    [
      "a date that never comes",
      { from: { type: "memory-space", url: "http://h", context: "c" }, fullSchedule: { cron: "0 0 30 2 *" } },
      "fullSchedule: ",
    ],
  ])("%s is refused by its place", async (_, definition, message) => {
    await expect(node().connectors.create(id, definition)).rejects.toThrow(message);
  });
});

describe("runs", () => {
  test("import items, once, whichever node makes them, and keep what they did", async () => {
    items(120);
    const [one, two] = [node(), node()];
    await one.connectors.create(id, importing());
    expect(await one.run(id, { scope: "full" })).toMatchObject({
      state: "succeeded",
      counts: { read: 120, created: 120 },
    });
    expect(await two.run(id)).toMatchObject({ state: "succeeded", counts: { created: 0, unchanged: 0 } });
    expect(await two.run(id, { scope: "full" })).toMatchObject({ counts: { created: 0, unchanged: 120 } });
    expect(await two.connectors.runs(id)).toHaveLength(3);
    expect(await two.connectors.status(id)).toMatchObject({
      ...{ state: "idle", direction: "import", imported: 120, failures: 0, deadLetters: 0 },
      lastRun: { state: "succeeded", scope: "full" },
    });
    expect(await one.metrics.registry.metrics()).toContain(
      `mnemosync_connector_runs_total{connector="${id}",outcome="succeeded"} 1`,
    );
  });

  test("a dry run counts, and writes nothing", async () => {
    items(3);
    const own = node();
    const { connectors } = own;
    await connectors.create(id, importing());
    expect(await own.run(id, { scope: "full", dryRun: true })).toMatchObject({
      isDryRun: true,
      counts: { created: 3 },
    });
    expect(await deployment.world.sync.get("memory-space/i0", { namespace: id })).toBeNull();
    expect(await connectors.runs(id)).toEqual([]);
  });

  test("of two nodes that are told to, one makes the run, and the other one names it", async () => {
    items(1);
    const [one, two] = [node(), node()];
    await one.connectors.create(id, importing());
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    space.faultOf = () => ({ kind: "stall" });
    const made = await one.connectors.trigger(id, { here: true });
    await expect(two.connectors.trigger(id, { here: true })).rejects.toMatchObject({
      ...{ code: "CONNECTOR_RUNNING", runId: made.id },
    });
    await expect(two.connectors.remove(id)).rejects.toMatchObject({ code: "CONNECTOR_RUNNING" });
    await expect(two.connectors.reset(id)).rejects.toMatchObject({ code: "CONNECTOR_RUNNING" });
    // Cancelled from the other node, while a request hangs.
    expect(await two.connectors.cancel(id)).toMatchObject({ id: made.id, state: "cancelled" });
    release();
    await held;
    expect(await two.connectors.cancel(id)).toBeNull();
  });

  test("a refused key stops the connector until it is resumed", async () => {
    const log = recordingLog();
    const own = node({ log });
    await own.connectors.create(id, importing({ from: from({ apiKey: "wrong" }), schedule: { everyMs: 3_600_000 } }));
    expect(await own.run(id)).toMatchObject({ state: "failed", error: { code: "AUTHENTICATION" } });
    expect(await own.connectors.status(id)).toMatchObject({
      ...{ state: "paused", pausedBecause: "authentication", nextRunAt: null, failures: 1 },
    });
    expect(log.events.map(({ event }) => event)).toContain("connector.key_refused");
    expect(JSON.stringify(log.events)).not.toContain("wrong");
    expect(await own.connectors.resume(id)).toMatchObject({ state: "idle", nextRunAt: expect.any(Number) });
  });

  test("dead letters are listed, replayed once the cause is mended, dropped, and gone with an erasure", async () => {
    items(2);
    space.put({ id: "big", created_at: "2026-01-01T00:00:00Z", transcript: "x".repeat(1_100_000) });
    space.put({ id: "huge", created_at: "2026-01-01T00:00:00Z", transcript: "y".repeat(1_100_000) });
    const own = node();
    await own.connectors.create(id, importing());
    expect(await own.run(id, { scope: "full" })).toMatchObject({ state: "partial", counts: { created: 2, failed: 2 } });
    const { letters } = await own.connectors.deadLetters(id);
    expect(letters).toMatchObject([
      { id: "big", side: "from", code: "VALIDATION", attempts: 1, memoryId: "memory-space/big" },
      { id: "huge" },
    ]);
    space.put({ id: "big", created_at: "2026-01-01T00:00:00Z", transcript: "shorter" });
    const made = await own.connectors.replay(id, { here: true });
    for await (const run of own.connectors.watch(id, made.id)) if (run.state === "partial") break;
    expect(await own.connectors.run(id, made.id)).toMatchObject({ scope: "replay", counts: { created: 1, failed: 1 } });
    expect((await own.connectors.deadLetters(id)).letters).toMatchObject([{ id: "huge", attempts: 2 }]);
    expect(await deployment.world.sync.get("memory-space/big", { namespace: id })).toMatchObject({
      content: "shorter",
    });
    expect(await own.connectors.drop(id, { letters: ["huge"] })).toBe(1);
    expect(await own.connectors.status(id)).toMatchObject({ deadLetters: 0 });
    // Its content is in the dead letters alone: it was never a memory.
    await own.run(id, { scope: "full", force: true });
    expect((await own.connectors.deadLetters(id)).letters).toMatchObject([{ id: "huge" }]);
    await deployment.world.sync.erase("memory-space/huge", { namespace: id });
    expect((await own.connectors.deadLetters(id)).letters).toEqual([]);
    // Nor does a later run bring it back, although the service still has the item.
    expect(await own.run(id, { scope: "full", force: true })).toMatchObject({
      state: "partial",
      counts: { failed: 1 },
    });
    expect((await own.connectors.deadLetters(id)).letters).toEqual([]);
  });

  test("memories are delivered, and go again where the transform is another one", async () => {
    const own = node();
    await deployment.world.sync.syncMemory("m1", { namespace: id, content: "one", memoryType: "note" });
    await own.connectors.create(id, delivering({ transform: "plain" }));
    expect(await own.run(id)).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(await own.run(id)).toMatchObject({ counts: { created: 0, updated: 0 } });
    await own.connectors.replace(id, delivering({ transform: "rich" }));
    expect(await own.run(id)).toMatchObject({ counts: { read: 1 } });
    expect([...rag.state.documents.values()].map(({ text }) => text)).toEqual([expect.stringContaining("type: note")]);
    expect(await own.connectors.status(id)).toMatchObject({
      direction: "deliver",
      records: { delivered: 1, failed: 0 },
    });
  });

  test("from one service to another in one run, both halves told", async () => {
    items(3);
    const own = node();
    await own.connectors.create(id, piping());
    expect(await own.run(id, { scope: "full" })).toMatchObject({
      ...{ state: "succeeded", counts: { created: 3 }, delivery: { state: "succeeded", counts: { created: 3 } } },
    });
    expect([...rag.state.documents.values()].filter(({ status }) => status === "processed")).toHaveLength(3);
  });
});

describe("the schedule", () => {
  test("makes runs at intervals, none while paused, and is dropped with its connector", async () => {
    items(1);
    const own = node();
    await own.connectors.create(id, importing({ schedule: { everyMs: 1_000 } }));
    own.start();
    await expect.poll(async () => (await own.connectors.runs(id)).length, { timeout: 30_000 }).toBeGreaterThan(1);
    expect(await own.connectors.pause(id)).toMatchObject({ pausedBecause: "operator", nextRunAt: null });
    await own.connectors.cancel(id);
    await own.connectors.remove(id);
    const left = await deployment.world.sync.jobs.schedules();
    expect(left.map(({ name }) => name)).not.toContain(`connector:${id}`);
  });

  test("a process without the settings file leaves the schedules of its connectors as they are", async () => {
    const schedule = { everyMs: 3_600_000 };
    const serving = node({ settings: { definitions: { [id]: importing({ schedule }) } } });
    serving.start();
    await expect.poll(async () => (await serving.connectors.status(id)).nextRunAt, { timeout: 30_000 }).not.toBeNull();
    const command = node();
    // Half a year ahead: an interval's first run is due at once, and may go on where the connector is to be removed.
    const cron = `0 0 1 ${((new Date().getUTCMonth() + 6) % 12) + 1} *`;
    await command.connectors.create(`${id}-api`, importing({ schedule: { cron } }));
    await command.connectors.pause(`${id}-api`);
    expect((await serving.connectors.status(id)).nextRunAt).not.toBeNull();
    await command.connectors.remove(`${id}-api`);
  });

  test("a node that makes no runs leaves them to others", async () => {
    const api = node({ settings: { enabled: false } });
    expect(api.hosted.services).toEqual([]);
    await api.connectors.create(id, importing({ schedule: { cron: "0 3 * * *", timeZone: "Europe/Berlin" } }));
    expect((await api.connectors.status(id)).nextRunAt).toEqual(expect.any(Number));
    const made = await api.connectors.trigger(id);
    expect(made.state).toBe("queued");
    const other = node();
    other.start();
    await expect.poll(async () => (await api.connectors.run(id, made.id)).state, { timeout: 30_000 }).toBe("succeeded");
  });
});
