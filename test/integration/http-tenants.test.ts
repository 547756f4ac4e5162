import postgres from "postgres";
import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { openApiDocument } from "../../src/http/openapi.ts";
import { ROUTE_GROUPS } from "../../src/http/routes.ts";
import { httpOptions, MEMORY, openService, type TestService } from "../support/http-service.ts";
import { postgresUrl } from "../support/services.ts";

/** Goal: a key that is bound to namespaces learns nothing of the others, and no caller learns where the stores are. */

/** Addresses, users, ports, folders and SQL, as messages of drivers have them. */
const INTERNALS = /127\.0\.0\.1|localhost|ECONN|database|role |password|select |insert |syntax|\/tmp\/|:\d{4,5}\b/i;

async function takePostgresAway(t: { onTestFinished(end: () => Promise<void>): void }, service: TestService) {
  const name = new URL(service.world.databaseUrl).pathname.slice(1);
  const admin = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  t.onTestFinished(() => admin.end({ timeout: 1 }));
  await admin.unsafe(`alter database ${name} allow_connections false`);
  t.onTestFinished(async () => void (await admin.unsafe(`alter database ${name} allow_connections true`)));
  await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
}

test("a key of one namespace sees the figures of that namespace in the status, and no others", async (t) => {
  const service = await openService(t);
  for (const [namespace, count] of [
    ["tenant-a", 2],
    ["tenant-b", 5],
  ] as const) {
    for (let number = 0; number < count; number++) {
      await service.world.put({ ...service.world.memory(number), namespace });
    }
  }
  await service.world.sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, dead_at, last_error)
    values ('redis', '', 'tenant-a', 'x', clock_timestamp(), 'at 10.0.0.1'), ('redis', '', 'tenant-b', 'y', clock_timestamp(), 'r'),
           ('redis', '', 'tenant-b', 'z', clock_timestamp(), 'r')`;
  const own = (await service.request("GET", "/v1/status", { key: service.keys.tenant })).json();
  expect(own.stores.postgres).toEqual({ state: "healthy", memories: 2 });
  expect(own.stores.redis).toEqual({ state: "healthy", memories: null });
  expect(own.stores.faiss).toEqual({ state: "healthy", memories: null });
  expect(own.backlog.dead).toBe(1);
  expect([own.consistency, own.lastCleanCheckAt, own.services]).toEqual([null, null, {}]);
  const all = (await service.request("GET", "/v1/status")).json();
  expect(all.stores.postgres.memories).toBe(7);
  expect(all.stores.faiss.memories).toBe(7);
  expect(all.backlog.dead).toBe(3);
  // The other key's reading must not be served from the first one's.
  expect((await service.request("GET", "/v1/status", { key: service.keys.boundAdmin })).json()).toEqual(own);
});

test("a key of one namespace lists, counts, reads and patches in that namespace alone", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const { tenant, boundAdmin } = service.keys;
  for (const namespace of ["tenant-a", "tenant-a2", "tenant-b"]) {
    for (const id of ["m1", "m2"]) {
      await service.request("PUT", `/v1/namespaces/${namespace}/memories/${id}`, {
        body: { ...MEMORY, content: namespace },
      });
    }
  }
  const page = (await service.request("GET", "/v1/namespaces/tenant-a/memories?limit=1", { key: tenant })).json();
  expect(page.memories).toMatchObject([{ namespace: "tenant-a", memoryId: "m1", content: "tenant-a" }]);
  const cursor = encodeURIComponent(page.cursor);
  const second = await service.request("GET", `/v1/namespaces/tenant-a/memories?cursor=${cursor}`, { key: tenant });
  expect(second.json()).toMatchObject({ memories: [{ memoryId: "m2" }], cursor: null });
  // A cursor of another tenant leads nowhere, even for a key of both.
  expect((await service.request("GET", `/v1/namespaces/tenant-b/memories?cursor=${cursor}`)).statusCode).toBe(422);
  expect((await service.request("GET", "/v1/namespaces/tenant-a/count", { key: tenant })).json()).toEqual({
    count: 2,
    estimate: false,
  });
  for (const key of [tenant, boundAdmin]) {
    const own = (await service.request("GET", "/v1/namespaces", { key })).json();
    expect(own).toEqual({ namespaces: ["tenant-a"], cursor: null });
  }
  const all = (await service.request("GET", "/v1/namespaces")).json();
  expect(all.namespaces).toEqual(["tenant-a", "tenant-a2", "tenant-b"]);
  const many = await service.request("POST", "/v1/namespaces/tenant-a/memories/get", {
    key: tenant,
    body: { memoryIds: ["m2", "tenant-b/m1", "m1"] },
  });
  expect(many.json().memories.map((memory: { memoryId: string } | null) => memory?.memoryId ?? null)).toEqual([
    "m2",
    null,
    "m1",
  ]);
  const headers = { "content-type": "application/merge-patch+json", "if-match": '"1"' };
  const patched = await service.request("PATCH", "/v1/namespaces/tenant-a/memories/m1", {
    ...{ key: tenant, headers, body: { metadata: { seen: true } } },
  });
  expect([patched.statusCode, patched.headers.etag]).toEqual([200, '"2"']);
  const others: ["GET" | "POST" | "PATCH", string, object][] = [
    ["GET", "/v1/namespaces/tenant-b/memories", {}],
    ["GET", "/v1/namespaces/tenant-b/count", {}],
    ["POST", "/v1/namespaces/tenant-b/memories/get", { body: { memoryIds: ["m1"] } }],
    ["PATCH", "/v1/namespaces/tenant-b/memories/m1", { headers, body: { importance: 1 } }],
  ];
  for (const [method, url, more] of others) {
    expect([url, (await service.request(method, url, { key: tenant, ...more })).statusCode]).toEqual([url, 403]);
  }
  expect((await service.world.sync.get("m1", { namespace: "tenant-b" }))?.version).toBe(1);
});

test("no answer names hosts, users or SQL while PostgreSQL is away; the log has the reason", async (t) => {
  const logged: string[] = [];
  const note = (fields: object, event: string) => void logged.push(`${event} ${JSON.stringify(fields)}`);
  const service = await openService(t, {
    world: { faiss: false, settings: { retriesMax: 0, retryDelayMs: 1 } },
    log: { debug: note, info: note, warn: note, error: note },
  });
  const memory = "/v1/namespaces/tenant-a/memories/m1";
  await service.request("PUT", memory, { body: MEMORY });
  await takePostgresAway(t, service);
  const lines = { "content-type": "application/x-ndjson" };
  const requests: ["GET" | "PUT" | "POST" | "DELETE", string, object?][] = [
    ["PUT", memory, { body: MEMORY }],
    ["DELETE", memory],
    ["GET", `${memory}/history`],
    ["GET", "/v1/namespaces/tenant-a/export"],
    ["GET", "/v1/status"],
    ["GET", "/readyz?require=write"],
    ["POST", "/v1/namespaces/tenant-a/batch", { body: { memories: [{ memoryId: "x", ...MEMORY }] } }],
    [
      "POST",
      "/v1/namespaces/tenant-a/import",
      { body: `${JSON.stringify({ memoryId: "x", ...MEMORY })}\n`, headers: lines },
    ],
    ["GET", "/v1/conflicts?namespace=tenant-a"],
    ["GET", `${memory}/copies`],
  ];
  for (const [method, url, more] of requests) {
    const { boundAdmin, reader } = service.keys;
    for (const key of [boundAdmin, reader]) {
      const response = await service.request(method, url, { key, ...more });
      expect(response.body, `${method} ${url}: ${response.body}`).not.toMatch(INTERNALS);
    }
  }
  expect(logged.find((line) => line.startsWith("http.request_failed"))).toMatch(INTERNALS);
});

test("errors of background services and recorded failures are for operators alone", async (t) => {
  const service = await openService(t, { world: { faiss: false, settings: { syncIntervalMs: 50 } } });
  const { world, keys } = service;
  const outcome = await world.put({ ...world.memory(1), namespace: "tenant-a", memoryId: "m1" });
  const failure = "connect ECONNREFUSED 127.0.0.1:6379";
  await world.sql`
    insert into mnemosync.conflict_resolutions
      (namespace, memory_id, store, kind, state, strategy, resolution, ledger_version, found_version)
    values ('tenant-a', 'm1', 'redis', 'corrupt', 'failed', 'latest_wins', ${failure}, ${outcome.version}, 1)`;
  const conflicts = async (key: string) =>
    await service.request("GET", "/v1/conflicts?namespace=tenant-a&state=failed", { key });
  expect((await conflicts(keys.boundAdmin)).body).not.toMatch(INTERNALS);
  expect((await conflicts(keys.admin)).body).toContain(failure);

  world.sync.start();
  await takePostgresAway(t, service);
  await pollUntil("a background service to fail", 60_000, async () =>
    Object.values((await world.sync.status()).services).some(({ lastError }) => lastError !== null),
  );
  const seen = async (key: string) => await service.request("GET", "/v1/status", { key });
  // All namespaces, but no admin; an admin of one namespace; a writer of one namespace.
  for (const key of [keys.reader, keys.writer, keys.boundAdmin, keys.tenant]) {
    const response = await seen(key);
    expect(response.statusCode).toBe(200);
    expect(response.json().services).toEqual({});
    expect(Object.values(response.json().stores).every((store) => !("reason" in (store as object)))).toBe(true);
    expect(response.body).not.toMatch(INTERNALS);
  }
  // The operator needs them.
  expect((await seen(keys.admin)).body).toMatch(INTERNALS);
});

test("the metrics ask for a key unless the service listens on a loopback address, or the option says otherwise", async (t) => {
  const asked = (http: Parameters<typeof httpOptions>[0]) => {
    const document = openApiDocument(ROUTE_GROUPS, "1.0.0", httpOptions(http)) as {
      paths: Record<string, { get: { security?: unknown[] } }>;
    };
    return document.paths["/metrics"]?.get.security === undefined;
  };
  expect([asked({ host: "0.0.0.0" }), asked({ host: "::" }), asked({ host: "10.1.2.3" })]).toEqual([true, true, true]);
  expect([asked({ host: "127.0.0.1" }), asked({ host: "::1" }), asked({ host: "localhost" })]).toEqual([
    false,
    false,
    false,
  ]);
  expect(asked({ host: "0.0.0.0", metricsAuthentication: false })).toBe(false);
  expect(asked({ host: "127.0.0.1", metricsAuthentication: true })).toBe(true);
  const service = await openService(t, { world: { faiss: false }, http: { host: "0.0.0.0" } });
  const status = async (key: string | null) => (await service.request("GET", "/metrics", { key })).statusCode;
  expect(await status(null)).toBe(401);
  expect(await status(service.keys.tenant)).toBe(403);
  expect(await status(service.keys.reader)).toBe(200);
});
