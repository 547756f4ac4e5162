import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { SCHEMA_VERSION } from "../../src/edge/file/schema.ts";
import { EdgeStore, HttpHub, HubError } from "../../src/edge/index.ts";
import type { ChangesPage } from "../../src/hub/protocol/changes.ts";
import { PROTOCOL_VERSIONS } from "../../src/hub/protocol/identity.ts";
import type { PushChange } from "../../src/hub/protocol/push.ts";
import { fileOfText, textOfFile } from "../support/edge-file-text.ts";
import { edgeWorld, note, temporaryFolder } from "../support/edges.ts";
import { openService } from "../support/http-service.ts";
import { FULL, NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import type { MemoryHub } from "../support/memory-hub.ts";
import { type RecordedCall, recordingFetch, replayingFetch, shapeOf } from "../support/recorded-exchange.ts";

/**
 * Goal: an edge and a hub of the version before and after understand each other, and files of older versions are opened. What they
 * left behind is in test/data, frozen: `edge-<version of the schema>.db` or `.sql` with a `.json`, what it says of itself, and
 * `hub-protocol-1.json`, calls of an edge and the answers of a real service. A newer version of either gets files of its own, beside
 * these, written before the change that makes it the older one: MNEMOSYNC_WRITE_PAST=edge npx vitest run test/integration/edge-past.test.ts
 */

const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
const WRITES = process.env.MNEMOSYNC_WRITE_PAST === "edge";
const read = <T>(name: string): T => JSON.parse(readFileSync(data(name), "utf8")) as T;

/** What an edge tells of its file. */
async function told(edge: EdgeStore) {
  const { memories } = await edge.list({ limit: 1_000 });
  const { device: _, lastPushAt, lastPullAt, ...status } = await edge.status();
  return JSON.parse(
    JSON.stringify({
      memories: memories.map(({ embedding, ...memory }) => ({ ...memory, embedding: embedding && [...embedding] })),
      queue: await edge.queue(),
      conflicts: await edge.conflicts({ all: true }),
      status,
      times: { lastPushAt, lastPullAt },
    }),
  );
}

/** What `edge-1.json` holds: what the file says, and the hub beside it. */
interface Past {
  readonly nowMs: number;
  readonly told: Awaited<ReturnType<typeof told>>;
  readonly hub: ReturnType<MemoryHub["dump"]>;
}

/** Brings a file to where it has a change in each state. */
async function live(
  edge: EdgeStore,
  { hub, clock }: Pick<ReturnType<typeof edgeWorld>, "hub" | "clock">,
): Promise<void> {
  await edge.put(
    "synced",
    note("in sync", { metadata: { tags: ["ü", 1, null] }, importance: 0.25, embedding: [0.5, -1] }),
  );
  await edge.put("expiring", note("until 2099", { expiresAt: "2099-01-01T00:00:00.000Z" }));
  for (const name of ["gone", "erased", "said", "held", "decided"]) await edge.put(name, note(`base of ${name}`));
  await edge.put("redacted", note("withheld from the hub", { privacy: "redacted" }));
  await edge.put("private", note("never leaves", { privacy: "local_only" }));
  await edge.syncNow();
  clock.advance(1_000);
  const full = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;
  hub.write("from the hub", { ...full, content: "written at the hub" });
  hub.write("held", { ...full, content: "changed at the hub" });
  hub.write("decided", { ...full, content: "changed at the hub too" });
  hub.end("gone", "deleted");
  hub.end("erased", "erased");
  clock.advance(1_000);
  await edge.patch("said", { privacy: "redacted" });
  for (const name of ["held", "decided"]) await edge.patch(name, { content: `${name} here` });
  await edge.syncNow();
  const decided = (await edge.conflicts()).find(({ memoryId }) => memoryId === "decided");
  await edge.resolve(decided?.id ?? "", "local");
  clock.advance(1_000);
  await edge.put("refused", note("over a limit"));
  await edge.put("later", note("the hub asked for patience"));
  hub.answerInstead = ({ memoryId }) => {
    if (memoryId === "refused") return { status: "rejected", code: "VALIDATION", message: "content is too long" };
    return memoryId === "later"
      ? { status: "retry", code: "QUOTA_CHANGES", message: "slow down", afterMs: 60_000 }
      : null;
  };
  await edge.syncNow();
  hub.answerInstead = () => null;
  await edge.put("sent", note("applied, and its answer was lost"));
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "lost");
  };
  await edge.syncNow().catch(() => undefined);
  hub.intercept = () => undefined;
  await edge.patch("sent", { content: "a later edit behind it" });
  await edge.put("unsent", note("not sent yet"));
  await edge.delete("synced");
}

/** What is kept already is frozen. */
function keep(name: string, text: string): void {
  if (!existsSync(data(name))) writeFileSync(data(name), text);
}

test.runIf(WRITES)("writes a file and an exchange of this version", async () => {
  const world = edgeWorld();
  const path = `${world.folder}/past.db`;
  const edge = await world.open({ path, conflictPolicy: "manual", conflictsDirectory: `${world.folder}/conflicts` });
  await live(edge, world);
  const past: Past = { nowMs: world.clock.ms, told: await told(edge), hub: world.hub.dump() };
  await edge.close();
  const name = `edge-${SCHEMA_VERSION}`;
  keep(`${name}.sql`, await textOfFile(path));
  keep(`${name}.json`, `${JSON.stringify(past, null, 2)}\n`);

  const service = await openService({ onTestFinished }, { world: { faiss: { dimension: 4 } } });
  const url = await service.app.listen({ host: "127.0.0.1", port: 0 });
  const calls: RecordedCall[] = [];
  const options = { url, apiKey: service.keys.writer, timeoutMs: 60_000, fetch: recordingFetch(calls) };
  await exchange(new HttpHub({ ...options, device: "past-a" }), new HttpHub({ ...options, device: "past-b" }));
  keep(`hub-protocol-${PROTOCOL_VERSIONS.at(-1)}.json`, `${JSON.stringify(calls, null, 2)}\n`);
});

/** Calls with every kind of answer, by two devices. */
async function exchange(hubOfA: HttpHub, hubOfB: HttpHub): Promise<void> {
  const [a, b] = [new TestDevice(hubOfA, "past-a"), new TestDevice(hubOfB, "past-b")];
  for (const device of [a, b]) device.epoch = (await device.hub.identify(NEVER_ABORTED)).epoch;
  const vector = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer).toString("base64");
  const expiresAt = "2099-01-01T00:00:00.000Z";
  const first = a.put("m1", 0, { ...FULL, embedding: vector, expiresAt });
  const redacted = { privacy: "redacted", memoryType: "episodic", importance: 0.9 } as const;
  await a.push([first, a.put("m2", 0), a.put("m3", 0, redacted), a.put("bad", 0, { importance: 2 } as object)]);
  await a.push([first]);
  await b.push([b.put("m1", 0), b.put("m2", 7)]);
  await b.told(3);
  await b.push([b.put("m1", 1, { content: "of b" }), b.end("delete", "m2", 1)]);
  await a.push([a.end("withdraw", "m1", 2)]);
  await b.told(2);
  a.settledThrough = first.key;
  await a.push([first]);
  await a.push([a.put("m9", null)], { epoch: "another" }).catch(() => undefined);
  await b.push([b.put("m1", 3)]);
}

const FILES: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  "edge-1": (path) => copyFileSync(data("edge-1.db"), path),
  "edge-2": (path) => fileOfText(path, readFileSync(data("edge-2.sql"), "utf8")),
  "edge-3": (path) => fileOfText(path, readFileSync(data("edge-3.sql"), "utf8")),
  "edge-4": (path) => fileOfText(path, readFileSync(data("edge-4.sql"), "utf8")),
};

test("each version of the file before this one, and this one, is kept", () => {
  expect(Object.keys(FILES)).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, index) => `edge-${index + 1}`));
});

test.each(Object.keys(FILES))(
  "the file %s is opened, says what it said, and is brought in sync: nothing lost, nothing doubled",
  async (name) => {
    const { hub, open, folder, clock } = edgeWorld();
    const past = read<Past>(`${name}.json`);
    clock.ms = past.nowMs;
    hub.load(past.hub);
    const path = `${folder}/past.db`;
    await FILES[name]?.(path);
    const edge = await open({ path, conflictPolicy: "manual", conflictsDirectory: `${folder}/conflicts` });
    expect(await told(edge)).toEqual(past.told);
    clock.advance(3_600_000);
    await edge.syncNow();
    const { queue, status } = await told(edge);
    expect(queue).toMatchObject([
      { memoryId: "held", status: "held" },
      { memoryId: "refused", status: "failed" },
    ]);
    expect(status).toMatchObject({ pending: 0, failed: 1, conflicts: 1, mode: "online" });
    expect(hub.get("sent")).toMatchObject({ version: 2, memory: { content: "a later edit behind it" } });
    expect(hub.get("decided")?.memory).toMatchObject({ content: "decided here" });
    for (const memoryId of ["later", "unsent"]) expect(hub.get(memoryId)?.version).toBe(1);
    expect(hub.get("synced")).toMatchObject({ endedBy: "deleted" });
    expect(hub.get("private")).toBeUndefined();
    expect(hub.get("said")?.memory).not.toHaveProperty("content");
    expect(await edge.search("written")).toMatchObject([{ memoryId: "from the hub" }]);
    expect(await edge.search("erased")).toEqual([]);
  },
);

test("the hub answers an edge of version 1 in the shape that it knows", async () => {
  const service = await openService({ onTestFinished }, { world: { faiss: { dimension: 4 } } });
  const identified = await service.request("POST", "/v1/hub/identify", {
    key: service.keys.writer,
    body: { device: "epoch", protocolVersions: [1] },
  });
  const { epoch } = identified.json() as { epoch: string };
  const recorded = read<RecordedCall[]>("hub-protocol-1.json");
  const [{ answer: identity } = { answer: null }] = recorded;
  const before = (identity as { epoch: string }).epoch;
  /** By the cursor of then. */
  const cursors = new Map<string, string>();
  for (const { method, path, body, status, answer } of recorded) {
    const url = new URL(path, "http://hub");
    const asked = url.searchParams.get("cursor");
    if (asked !== null) url.searchParams.set("cursor", cursors.get(asked) ?? asked);
    const sent = body === null ? undefined : JSON.parse(JSON.stringify(body).replaceAll(before, epoch));
    const wanted = shapeOf(answer);
    const call = async () =>
      await service.request(method as "GET", `${url.pathname}${url.search}`, {
        key: service.keys.writer,
        ...(sent !== undefined && { body: sent }),
      });
    let response = await call();
    // A page may come before the commit that it waits for is below the feed's horizon: an edge asks again, too.
    const changes = (answer as Partial<ChangesPage>).changes?.length ?? 0;
    const isShort = () => changes > 0 && (response.json() as ChangesPage).changes.length < changes;
    for (let turn = 0; isShort() && turn < 100; turn++) response = await call();
    expect([path, response.statusCode]).toEqual([path, status]);
    expect(shapeOf(response.json())).toEqual(wanted);
    const [then, now] = [answer as { cursor?: string; answers?: unknown }, response.json()];
    if (then.cursor !== undefined) cursors.set(then.cursor, now.cursor);
    if (then.answers !== undefined) expect(statuses(now)).toEqual(statuses(then));
  }
});

function statuses(answer: unknown) {
  return (answer as { answers: { status: string; code?: string; version?: number }[] }).answers.map(
    ({ status, code = null, version = null }) => ({ status, code, version }),
  );
}

test("an edge reads the answers of a hub of version 1, and asks as one of version 1 did", async () => {
  const recorded = read<RecordedCall[]>("hub-protocol-1.json");
  expect(recorded.length).toBeGreaterThan(8);
  const asked: RecordedCall[] = [];
  for (const call of recorded) {
    const url = new URL(call.path, "http://hub");
    const { device, ...body } = (call.body ?? {}) as { device: string; changes: PushChange[]; [name: string]: unknown };
    const fetch = replayingFetch([call], asked);
    const hub = new HttpHub({
      url: "http://hub",
      device: device ?? url.searchParams.get("device"),
      timeoutMs: 60_000,
      fetch,
    });
    const ask = async (): Promise<unknown> => {
      if (url.pathname.endsWith("identify")) return await hub.identify(NEVER_ABORTED);
      if (url.pathname.endsWith("push")) return await hub.push(body as never, NEVER_ABORTED);
      const { searchParams: query } = url;
      const options = { limit: Number(query.get("limit")), waitMs: Number(query.get("waitMs")) };
      const namespaces = query.getAll("namespace");
      return await hub.changesAfter(query.get("cursor"), { ...options, namespaces }, NEVER_ABORTED);
    };
    if (call.status === 200) expect(await ask()).toEqual(call.answer);
    else await expect(ask()).rejects.toMatchObject({ code: (call.answer as { code: string }).code });
  }
  expect(asked.map(({ method, path, body }) => ({ method, path, body }))).toEqual(
    recorded.map(({ method, path, body }) => ({ method, path, body })),
  );
});

test("an edge applies the pages of a hub of version 1", async () => {
  const recorded = read<RecordedCall[]>("hub-protocol-1.json");
  const isOfB = ({ path, body }: RecordedCall) =>
    path.includes("device=past-b") || (path.endsWith("identify") && (body as { device: string }).device === "past-b");
  const answers = recorded.filter((call) => isOfB(call) && call.status === 200);
  const asked: RecordedCall[] = [];
  const fetch = replayingFetch(answers, asked);
  const path = `${temporaryFolder()}/edge.db`;
  const about = { path, hub: "http://hub", pullPageSize: 100, pullIntervalMs: 86_400_000 };
  const edge = await EdgeStore.open(about, { inProcess: true, fetch });
  onTestFinished(() => edge.close());
  while (asked.length < answers.length) await edge.pullOnce();
  const told = new Map<string, ChangesPage["changes"][number]>();
  for (const { answer } of answers) {
    for (const change of (answer as Partial<ChangesPage>).changes ?? []) told.set(change.memoryId, change);
  }
  expect(told.size).toBeGreaterThanOrEqual(3);
  for (const [memoryId, change] of told) {
    const found = await edge.get(memoryId);
    if (change.kind === "put") expect(found).toMatchObject({ version: change.version, status: "synced" });
    else expect(found).toBeNull();
  }
  expect(existsSync(path)).toBe(true);
});
