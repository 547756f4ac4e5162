import { once } from "node:events";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { HttpService } from "../../src/http/http-service.ts";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import { type Log, MemorySynchronizer, StoreUnavailableError } from "../../src/index.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { httpOptions, MEMORY, newKeys, openService } from "../support/http-service.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";
import { postgresUrl } from "../support/services.ts";

/** Goal: what the contract tests cannot say: tenants apart, limits, headers, starting, stopping. */

test("an export holds the whole namespace, comes in by an import of another one, and goes on where it was cut", async (t) => {
  const service = await openService(t);
  for (let number = 0; number < 5; number++) {
    const url = `/v1/namespaces/default/memories/e${number}`;
    await service.request("PUT", url, { body: { ...MEMORY, content: `said ${number}` } });
  }
  await service.request("PUT", "/v1/namespaces/default/memories/e0", { body: { ...MEMORY, content: "changed" } });
  await service.request("PUT", "/v1/namespaces/other/memories/x", { body: MEMORY });
  const whole = await service.request("GET", "/v1/namespaces/default/export?history=true");
  expect(whole.headers["content-type"]).toBe("application/x-ndjson");
  const records = whole.body.trimEnd().split("\n");
  expect(records.map((line) => JSON.parse(line).memoryId).filter(Boolean)).toEqual([
    "e0",
    "e0",
    "e1",
    "e2",
    "e3",
    "e4",
  ]);
  const cut = await service.request("GET", "/v1/namespaces/default/export?afterMemoryId=e2&afterVersion=1");
  expect(cut.body.match(/"memoryId":"e[0-9]"/g)).toEqual(['"memoryId":"e3"', '"memoryId":"e4"']);
  const empty = await openService(t);
  const report = await empty.world.sync.importMemories([Buffer.from(whole.body)]);
  expect(report).toMatchObject({ rejected: 0 });
  expect(await empty.world.sync.get("e0")).toMatchObject({ version: 2, content: "changed" });
  const again = await empty.request("GET", "/v1/namespaces/default/export?history=true");
  expect(again.body.split("\n").slice(1)).toEqual(whole.body.split("\n").slice(1)); // The first line is its own.
});

test("an idempotency key belongs to its namespace and to the owner of the caller's key, and to one request", async (t) => {
  const of = (id: string, owner?: string) =>
    createKey({ id, scope: "write", namespaces: "*", ...(owner !== undefined && { owner }) });
  const [old, renewed, stranger] = [of("old", "team"), of("renewed", "team"), of("stranger")];
  const service = await openService(t, { entries: [old, renewed, stranger].map(({ entry }) => entry) });
  const headers = { "idempotency-key": "import of monday" };
  const send = async (method: "PUT" | "DELETE", namespace: string, key: string, body?: unknown) => {
    const url = `/v1/namespaces/${namespace}/memories/m`;
    const { statusCode, body: text } = await service.request(method, url, {
      key,
      headers,
      ...(body !== undefined && { body }),
    });
    return { statusCode, ...JSON.parse(text) };
  };
  const first = await send("PUT", "a", old.key, MEMORY);
  expect(first).toMatchObject({ statusCode: 201, version: 1 });
  const reused = { statusCode: 422, code: "IDEMPOTENCY_KEY_REUSED" };
  expect(await send("DELETE", "a", old.key)).toMatchObject(reused);
  expect(await send("PUT", "b", old.key, { ...MEMORY, content: "of b" })).toMatchObject({
    statusCode: 201,
    version: 1,
  });
  // A renewed key finds what the one before it wrote; a stranger's does not.
  expect(await send("PUT", "a", renewed.key, MEMORY)).toMatchObject({ version: 1, transactionId: first.transactionId });
  expect(await send("PUT", "a", renewed.key, { ...MEMORY, content: "x" })).toMatchObject(reused);
  expect(await send("PUT", "a", stranger.key, { ...MEMORY, content: "x" })).toMatchObject({
    statusCode: 200,
    version: 2,
  });
  const batch = { memories: [{ memoryId: "other", ...MEMORY }], idempotencyKey: "import of monday" };
  const answer = await service.request("POST", "/v1/namespaces/a/batch", { key: old.key, body: batch });
  expect([answer.statusCode, answer.json().code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
});

test("a key of one namespace reads, writes, searches and undoes there, and nowhere else", async (t) => {
  const service = await openService(t);
  const { tenant, admin } = service.keys;
  const at = (namespace: string, rest = "memories/m1"): string => `/v1/namespaces/${namespace}/${rest}`;
  const vector = [1, 0, 0, 0, 0, 0, 0, 0];
  const own = await service.request("PUT", at("tenant-a"), { key: tenant, body: { ...MEMORY, embedding: vector } });
  expect(own.statusCode).toBe(201);
  await service.request("PUT", at("tenant-b"), { body: { ...MEMORY, content: "a secret", embedding: vector } });
  const before = await service.world.footprint();
  const forbidden: ["GET" | "PUT" | "POST" | "DELETE", string, unknown?][] = [
    ["GET", at("tenant-b")],
    ["PUT", at("tenant-b"), MEMORY],
    ["DELETE", at("tenant-b")],
    ["GET", at("tenant-b", "memories/m1/history")],
    ["GET", at("tenant-b", "memories/m1/diff?from=1&to=1")],
    ["POST", at("tenant-b", "memories/m1/rollback"), { toVersion: 1 }],
    ["POST", at("tenant-b", "batch"), { memories: [{ memoryId: "x", ...MEMORY }] }],
    ["POST", at("tenant-b", "search"), { vector }],
    ["GET", at("tenant-b", "export")],
    ["GET", at("tenant-a%2F..%2Ftenant-b")],
    ["GET", at("TENANT-A")],
  ];
  for (const [method, url, body] of forbidden) {
    const response = await service.request(method, url, { key: tenant, ...(body !== undefined && { body }) });
    expect([url, response.statusCode]).toEqual([url, 403]);
    expect(response.body).not.toContain("a secret");
  }
  const lines = `${JSON.stringify({ memoryId: "x", namespace: "tenant-b", ...MEMORY })}\n`;
  const headers = { "content-type": "application/x-ndjson" };
  expect(
    (await service.request("POST", at("tenant-b", "import"), { key: tenant, body: lines, headers })).statusCode,
  ).toBe(403);
  const imported = await service.request("POST", at("tenant-a", "import"), { key: tenant, body: lines, headers });
  expect(imported.json()).toMatchObject({ read: 1, rejected: 1, synced: 0 });
  // A batch names no namespace of its own.
  const smuggled = { memories: [{ memoryId: "x", namespace: "tenant-b", ...MEMORY }] };
  expect((await service.request("POST", at("tenant-a", "batch"), { key: tenant, body: smuggled })).statusCode).toBe(
    422,
  );
  const found = await service.request("POST", at("tenant-a", "search"), { key: tenant, body: { vector } });
  expect(found.json().results.map(({ memory }: { memory: { namespace: string } }) => memory.namespace)).toEqual([
    "tenant-a",
  ]);
  // A transaction of both tenants: seen in part, undone by neither.
  const [outcome] = await service.world.sync.syncBatch(
    ["tenant-a", "tenant-b"].map((namespace) => ({ ...MEMORY, namespace, memoryId: "shared" })),
    { atomic: true },
  );
  const transaction = `/v1/transactions/${outcome?.transactionId}`;
  const seen = await service.request("GET", transaction, { key: tenant });
  expect(seen.json().memories).toEqual([{ namespace: "tenant-a", memoryId: "shared", version: 1 }]);
  expect((await service.request("POST", `${transaction}/rollback`, { key: tenant })).statusCode).toBe(403);
  expect((await service.request("POST", `${transaction}/rollback`, { key: admin })).statusCode).toBe(200);
  const other = await service.world.put({ ...MEMORY, namespace: "tenant-b", memoryId: "alone" });
  const alone = `/v1/transactions/${other.transactionId}`;
  expect((await service.request("GET", alone, { key: tenant })).statusCode).toBe(404);
  expect((await service.request("POST", `${alone}/rollback`, { key: tenant })).statusCode).toBe(404);
  const after = await service.world.footprint();
  expect(after.ledger.filter((line) => before.ledger.includes(line))).toEqual(before.ledger);
});

test("an operator of one namespace lists, sees and decides its conflicts, and no others", async (t) => {
  // Its loop leaves the drift to the repair.
  const service = await openService(t, { world: { faiss: false, settings: { repairKinds: [] } } });
  const { world } = service;
  const key = service.keys.boundAdmin;
  for (const namespace of ["tenant-a", "tenant-b"]) {
    await world.put({ namespace, memoryId: "m1", ...MEMORY });
    await world.untilMarked();
    await world.redis.hset(world.redisKey("m1", namespace), "version", "7");
  }
  await world.sync.repairInconsistencies(await world.sync.checkConsistency(), { strategy: "manual" });
  const all = (await service.request("GET", "/v1/conflicts")).json().conflicts as { id: string; namespace: string }[];
  expect(all.map(({ namespace }) => namespace).sort()).toEqual(["tenant-a", "tenant-b"]);
  const [own, foreign] = ["tenant-a", "tenant-b"].map((name) => all.find(({ namespace }) => namespace === name)!.id);
  expect((await service.request("GET", "/v1/conflicts", { key })).statusCode).toBe(403);
  expect((await service.request("GET", "/v1/conflicts?namespace=tenant-b", { key })).statusCode).toBe(403);
  const listed = await service.request("GET", "/v1/conflicts?namespace=tenant-a", { key });
  expect(listed.json().conflicts).toMatchObject([{ id: own, kind: "ahead" }]);
  expect((await service.request("GET", `/v1/conflicts/${foreign}`, { key })).statusCode).toBe(404);
  const decide = (id: string | undefined) =>
    service.request("POST", `/v1/conflicts/${id}/resolve`, { key, body: { choose: "postgres" } });
  expect((await decide(foreign)).statusCode).toBe(404);
  expect((await decide(own)).json()).toMatchObject({ outcome: "repaired", namespace: "tenant-a" });
  const left = (await service.request("GET", "/v1/conflicts")).json().conflicts;
  expect(left).toMatchObject([{ id: foreign, state: "pending" }]);
});

test("beyond its rate a key is told how long to wait, and others are not held up", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { rateLimitPerSecond: 1, rateLimitBurst: 3 } });
  // At once: one after the other on a slow machine, a second passes between them, and another one may.
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => service.request("GET", "/v1/status", { key: service.keys.reader })),
  );
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 429, 429]);
  const refused = answers[4]!;
  expect(refused.headers["retry-after"]).toBe("1");
  expect(refused.json()).toMatchObject({ code: "RATE_LIMITED", retryable: true });
  expect((await service.request("GET", "/v1/status", { key: service.keys.admin })).statusCode).toBe(200);
  expect((await service.request("GET", "/healthz", { key: null })).statusCode).toBe(200);
});

test("guessing keys is slowed down per address, and a valid key behind the same address still passes", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, turn) =>
      service.request("GET", "/v1/status", { key: `guess-${turn}`, from: "192.0.2.1" }),
    ),
  );
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401, 429]));
  expect((await service.request("GET", "/v1/status", { from: "192.0.2.1" })).statusCode).toBe(200);
  expect((await service.request("GET", "/v1/status", { key: "guess", from: "192.0.2.2" })).statusCode).toBe(401);
});

test("every answer carries a request id and headers that keep browsers from misusing it; no origin may read by default", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  for (const url of ["/healthz", "/v1/status", "/nowhere", "/metrics"]) {
    const { headers } = await service.request("GET", url, {
      headers: { origin: "https://page.example", "x-request-id": "mine-1" },
    });
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-request-id": "mine-1",
      "cache-control": "no-store",
    });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  }
  const { headers } = await service.request("GET", "/healthz", { headers: { "x-request-id": "a\tb<script>" } });
  expect(headers["x-request-id"]).toMatch(/^[0-9A-Z]{26}$/);
  expect((await service.request("OPTIONS", "/v1/status", { key: null })).statusCode).toBe(404);
});

test("origins that are allowed may ask and read; others get no leave", async (t) => {
  const service = await openService(t, {
    world: { faiss: false },
    http: { corsOrigins: "https://app.example, https://b.example" },
  });
  const asked = (origin: string) => service.request("OPTIONS", "/v1/status", { key: null, headers: { origin } });
  const allowed = await asked("https://app.example");
  expect([allowed.statusCode, allowed.headers["access-control-allow-origin"]]).toEqual([204, "https://app.example"]);
  expect((await asked("https://evil.example")).headers["access-control-allow-origin"]).toBeUndefined();
  const answer = await service.request("GET", "/v1/status", { headers: { origin: "https://b.example" } });
  expect(answer.headers["access-control-allow-origin"]).toBe("https://b.example");
});

test("without keys the service listens on a loopback address only, and pages of other origins cannot use it", async (t) => {
  const refusal = HttpService.create({
    http: httpOptions({ authentication: "none", host: "0.0.0.0" }),
    connect: () => Promise.reject(new Error("not reached")),
    log: silentLog,
  });
  await expect(refusal).rejects.toMatchObject({ code: "CONFIGURATION" });
  const nobody = HttpService.create({
    http: httpOptions(),
    connect: () => Promise.reject(new Error("not reached")),
    log: silentLog,
  });
  await expect(nobody).rejects.toThrow(/keysFile/);
  const tested = await openService(t, { world: { faiss: false } });
  const service = await HttpService.create({
    http: httpOptions({ authentication: "none" }),
    connect: async () => tested.world.sync,
    log: silentLog,
  });
  t.onTestFinished(async () => void (await service.stop()));
  await service.connect(new AbortController().signal);
  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await (await service.load()).inject({ method: "POST", url: "/v1/queue/drop", headers })).statusCode;
  expect(await ask({ host: "127.0.0.1:8420" })).toBe(200);
  expect(await ask({ host: "localhost" })).toBe(200);
  expect(await ask({ host: "127.0.0.1:8420", origin: "https://evil.example" })).toBe(403);
  expect(await ask({ host: "127.0.0.1:8420", "sec-fetch-site": "cross-site" })).toBe(403);
  expect(await ask({ host: "rebound.example" })).toBe(403);
});

test("keys are kept as hashes, and a change of their file takes effect without a restart", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-keys-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "keys.json");
  const first = createKey({ id: "one", scope: "read", namespaces: "*" });
  const second = createKey({ id: "two", scope: "admin", namespaces: ["a"] });
  const write = async (entries: unknown[]): Promise<void> => {
    await writeFile(path, JSON.stringify({ keys: entries }));
    await utimes(path, new Date(), new Date(Date.now() + Math.random() * 1_000_000));
  };
  await write([first.entry]);
  expect(JSON.stringify(first.entry)).not.toContain(first.key.slice(-20));
  const events: string[] = [];
  const note = (_fields: object, event: string): void => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const ring = await KeyRing.fromFile(path, { log, rereadMs: 0 });
  expect(await ring.identify(first.key)).toEqual({ owner: "one", id: "one", scope: "read", namespaces: null });
  expect(await ring.identify(second.key)).toBeNull();
  await write([second.entry]);
  expect(await ring.identify(first.key)).toBeNull();
  expect(await ring.identify(second.key)).toEqual({
    owner: "two",
    id: "two",
    scope: "admin",
    namespaces: new Set(["a"]),
  });
  await writeFile(path, "{ half a fi");
  expect(await ring.identify(second.key)).not.toBeNull();
  expect(events).toEqual(["http.keys_read", "http.keys_not_read"]);
  await expect(KeyRing.fromFile(path, { log })).rejects.toMatchObject({ code: "CONFIGURATION" });
  await expect(KeyRing.fromFile(join(folder, "none"), { log })).rejects.toMatchObject({ code: "CONFIGURATION" });
});

test("while the stores are away the service lives and is not ready; it connects once they are there", async (t) => {
  const tested = await openService(t, { world: { faiss: false } });
  let there = false;
  let attempts = 0;
  const { keys, entries } = newKeys();
  const service = await HttpService.create({
    http: httpOptions(),
    keys: KeyRing.of(entries, { log: silentLog }),
    log: silentLog,
    connect: async () => {
      attempts++;
      if (!there) throw new StoreUnavailableError("postgres", "nobody is listening");
      return await MemorySynchronizer.connect(tested.world.connectOptions);
    },
  });
  t.onTestFinished(async () => void (await service.stop()));
  const connecting = service.connect(new AbortController().signal);
  const app = await service.load();
  const ask = (url: string) => app.inject({ url, headers: { authorization: `Bearer ${keys.admin}` } });
  await pollUntil("a second attempt", 30_000, () => attempts > 1);
  expect((await ask("/healthz")).statusCode).toBe(200);
  expect((await ask("/readyz")).statusCode).toBe(503);
  const refused = await ask("/v1/status");
  expect(refused.statusCode).toBe(503);
  expect(refused.json()).toMatchObject({ code: "NOT_READY", retryable: true });
  expect(refused.headers["retry-after"]).toBe("1");
  there = true;
  await connecting;
  expect((await ask("/readyz")).json()).toMatchObject({ ready: true });
  expect((await ask("/v1/status")).statusCode).toBe(200);
  await service.stop();
  expect(service.notReady).toBe("the service is stopping");
});

test("a wrong set-up ends the start rather than being tried again", async () => {
  const { entries } = newKeys();
  const service = await HttpService.create({
    http: httpOptions(),
    keys: KeyRing.of(entries, { log: silentLog }),
    log: silentLog,
    connect: () => MemorySynchronizer.connect({ postgresUrl: "postgres://h/db", redisUrl: "nonsense" }),
  });
  await expect(service.connect(new AbortController().signal)).rejects.toMatchObject({ code: "CONFIGURATION" });
  await service.stop();
});

test("one job at a time; a watcher sees it end, and one that hangs up does no harm; cancelling stops it", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const address = await service.service.listen();
  const base = `http://127.0.0.1:${address.port}`;
  const headers = { authorization: `Bearer ${service.keys.admin}` };
  // A check waits while somebody holds the rows' table; so it is there to be watched and cancelled.
  const locker = await service.world.sql.reserve();
  await locker`begin`;
  await locker`lock table mnemosync.memory_versions in access exclusive mode`;
  const { id } = (await service.request("POST", "/v1/checks", { body: {} })).json();
  const second = await service.request("POST", "/v1/repairs", { body: {} });
  expect([second.statusCode, second.json().code, second.json().jobId]).toEqual([409, "JOB_RUNNING", id]);
  const hangUp = new AbortController();
  const quitter = await fetch(`${base}/v1/jobs/${id}/events`, { headers, signal: hangUp.signal });
  expect(quitter.headers.get("content-type")).toBe("text/event-stream");
  const watching = fetch(`${base}/v1/jobs/${id}/events`, { headers }).then((response) => response.text());
  await quitter.body?.getReader().read();
  hangUp.abort();
  const cancelling = service.request("DELETE", `/v1/jobs/${id}`);
  await locker`rollback`;
  locker.release();
  expect((await cancelling).json()).toMatchObject({ state: "cancelled" });
  const events = (await watching).split("\n\n").filter((event) => event !== "");
  expect(events.at(-1)).toMatch(/^event: end\ndata: .*"state":"cancelled"/);
  expect((await service.request("POST", "/v1/checks", { body: {} })).statusCode).toBe(202);
  // A connection that was never used does not hold up the end.
  const unused = connect(address.port, "127.0.0.1");
  await once(unused, "connect");
  expect(await service.service.stop()).toBe(true);
  unused.destroy();
});

test("what is no HTTP, too much of it, or cut short is refused, and the next caller is served", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const { port } = await service.service.listen();
  const say = (text: string, hangUp = false): Promise<string> =>
    new Promise((resolve) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () => (hangUp ? socket.end(text) : socket.write(text)));
      socket.setTimeout(60_000, () => socket.destroy());
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.on("close", () => resolve(answer));
    });
  const put = "PUT /v1/namespaces/default/memories/cut HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
  const bearer = `authorization: Bearer ${service.keys.admin}\r\n`;
  expect(await say("\u0016\u0003\u0001 no HTTP\r\n\r\n")).toContain("400 Bad Request");
  expect(await say(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}\r\n\r\n`)).toContain("431");
  expect(
    await say("GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
  ).toContain("400");
  expect(await say(`${put}${bearer}content-length: 999999999\r\n\r\n{}`)).toContain("413");
  // Half of a body, and a chunked one that never ends: nothing is written.
  await say(`${put}${bearer}content-length: 60\r\n\r\n${JSON.stringify(MEMORY)}`, true);
  await say(`${put}${bearer}transfer-encoding: chunked\r\n\r\n5\r\n{"con\r\n`, true);
  expect((await service.request("GET", "/v1/namespaces/default/memories/cut")).statusCode).toBe(404);
  expect(await say("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).toContain('{"alive":true}');
});

test("an import of many lines goes through in one stream, and is counted", async (t) => {
  const service = await openService(t);
  const lines = Array.from({ length: 2_500 }, (_, number) =>
    JSON.stringify({ memoryId: `i${number}`, ...MEMORY, importance: 0.25 }),
  );
  lines.splice(100, 0, "not json", '{"memoryId":"bad"}');
  const response = await service.request("POST", "/v1/namespaces/tenant-a/import", {
    key: service.keys.tenant,
    body: lines.join("\n"),
    headers: { "content-type": "application/x-ndjson" },
  });
  expect(response.json()).toMatchObject({
    read: 2_502,
    synced: 2_500,
    rejected: 2,
    errors: [{ line: 101 }, { line: 102 }],
  });
  const metrics = parsePrometheusText((await service.request("GET", "/metrics", { key: null })).body);
  expect(sampleValue(metrics, "mnemosync_sync_total", { operation: "sync_batch", outcome: "synced" })).toBe(2_500);
});

test("a pause of the queue holds for every node and outlives this one, until it is resumed", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const other = await MemorySynchronizer.connect({ ...service.world.connectOptions, nodeId: "other" });
  t.onTestFinished(() => other.close());
  const paused = async () => (await service.request("GET", "/v1/queue")).json().paused;
  expect(await paused()).toBe(false);
  expect((await service.request("POST", "/v1/queue/pause")).json()).toEqual({ paused: true });
  expect((await service.request("POST", "/v1/queue/pause")).json()).toEqual({ paused: true });
  expect([await paused(), await other.backlog.isPaused()]).toEqual([true, true]);
  await other.backlog.resume(); // As `mnemosync queue resume` does.
  expect(await paused()).toBe(false);
  await other.backlog.pause();
  expect((await service.request("POST", "/v1/queue/resume")).json()).toEqual({ paused: false });
  expect(await other.backlog.isPaused()).toBe(false);
});

test("with Postgres away, reads go on, and writes are told to try again", async (t) => {
  const service = await openService(t, {
    // Long enough for a busy machine: a cache that seems to be away is asked no more.
    world: {
      faiss: false,
      settings: { retriesMax: 0, retryDelayMs: 1, healthCheckIntervalMs: 400, cacheTimeoutMs: 10_000 },
    },
  });
  const url = "/v1/namespaces/default/memories/m1";
  await service.request("PUT", url, { body: MEMORY });
  const name = new URL(service.world.databaseUrl).pathname.slice(1);
  const admin = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  t.onTestFinished(() => admin.end({ timeout: 1 }));
  await admin.unsafe(`alter database ${name} allow_connections false`);
  t.onTestFinished(async () => void (await admin.unsafe(`alter database ${name} allow_connections true`)));
  await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
  expect((await service.request("GET", url)).statusCode).toBe(200);
  const refused = await service.request("PUT", url, { body: { ...MEMORY, content: "later" } });
  expect([refused.statusCode, refused.json().code, refused.json().store]).toEqual([
    503,
    expect.stringMatching(/^STORE_/), // As long as the server is there and lets nobody in, it refuses.
    "postgres",
  ]);
  expect((await service.request("GET", "/v1/status")).json().stores.postgres.state).toBe("down");
  const ready = (query = "") => service.request("GET", `/readyz${query}`, { key: null });
  await pollUntil("readiness to follow", 30_000, async () => (await ready("?require=write")).statusCode === 503);
  expect((await ready()).statusCode).toBe(200);
  expect((await ready()).json()).toMatchObject({
    ready: true,
    degraded: true,
    reason: null,
    capabilities: { read: true, write: false, search: false },
    stores: { postgres: { state: "down", reason: null }, redis: { state: "healthy", reason: null } },
  });
  expect((await ready("?require=write")).json()).toMatchObject({
    ready: false,
    reason: expect.stringContaining("write"),
  });
  expect((await ready("?require=search")).statusCode).toBe(503);
  expect((await ready("?require=all")).statusCode).toBe(400);
});
