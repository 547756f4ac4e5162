import { expect, test, vi } from "vitest";
import {
  replicaLettersSchema,
  replicaStatusSchema,
  verificationSchema,
} from "../../src/documents/replica-documents.ts";
import { openService, serviceOn } from "../support/http-service.ts";
import { openReplicaWorld } from "../support/replica-world.ts";

vi.setConfig({ testTimeout: 240_000 });

/** Goal: the replica's routes with a replica, over two real databases, and reads that say which sides they stand on. */

const MEMORIES = "/v1/namespaces/default/memories";
const OK = { primary: "ok", replica: "ok" };

test("status, pause, resume, dead letters, verify and backfill, each as the document says", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("a", { content: "one" });
  await world.caughtUp();
  const service = await serviceOn(t, world.world);
  const call = async (method: "GET" | "POST", path: string, body?: unknown) => {
    const answer = await service.request(method, `/v1/replica${path}`, body === undefined ? {} : { body });
    return { code: answer.statusCode, body: answer.json() };
  };
  const status = async (method: "GET" | "POST" = "GET", path = "") => {
    const { code, body } = await call(method, path);
    expect(code, path).toBe(200);
    return replicaStatusSchema().parse(body);
  };
  expect(await status()).toMatchObject({ state: "following", phase: "following", isUp: true, lag: { changes: 0 } });
  expect(await status("POST", "/pause")).toMatchObject({ isPaused: true });
  await expect.poll(async () => (await status()).state, { timeout: 60_000 }).toBe("paused");
  await world.put("a", { content: "two" });
  expect(await status()).toMatchObject({ isPaused: true, lag: { changes: 1 } });
  expect(await status("POST", "/resume")).toMatchObject({ isPaused: false });
  await world.caughtUp();

  // A memory that the replica refuses.
  await world.replica`
    alter table mnemosync.memory_bodies add constraint no_poison check (memory_id <> 'poison') not valid`;
  await world.put("poison", { content: "x" });
  const letters = async () => replicaLettersSchema().parse((await call("GET", "/dead-letters")).body).deadLetters;
  await expect
    .poll(async () => (await letters()).map(({ memoryId, nextAttemptAt }) => [memoryId, nextAttemptAt]), {
      timeout: 60_000,
    })
    .toEqual([["poison", null]]);
  const [letter] = await letters();
  expect(letter).toMatchObject({ store: "replica", operation: "put", lastError: expect.stringContaining("no_poison") });
  expect(await call("GET", `/dead-letters?after=${letter?.id}&limit=1`)).toEqual({
    code: 200,
    body: { deadLetters: [] },
  });
  expect(await call("POST", "/dead-letters/retry", { id: letter?.id })).toEqual({ code: 200, body: { memories: 1 } });
  const unknown = { id: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
  expect(await call("POST", "/dead-letters/retry", unknown)).toMatchObject({ code: 404, body: { code: "NOT_FOUND" } });
  expect(await call("POST", "/dead-letters/drop", unknown)).toMatchObject({ code: 404 });
  expect(await call("GET", "/dead-letters?limit=0")).toMatchObject({ code: 400 });
  const verification = async (body: object) => {
    const answer = await call("POST", "/verify", body);
    expect(answer.code).toBe(200);
    return verificationSchema().parse(answer.body);
  };
  expect(await verification({})).toMatchObject({ clean: false, findings: [{ memoryId: "poison", kind: "missing" }] });
  await world.replica`alter table mnemosync.memory_bodies drop constraint no_poison`;
  expect(await call("POST", "/dead-letters/retry", {})).toMatchObject({ code: 200 });
  await expect.poll(letters, { timeout: 60_000 }).toEqual([]);
  expect(await verification({ deep: true })).toMatchObject({ clean: true, checked: 2 });
  await world.replica`update mnemosync.memory_versions set checksum = repeat('a', 64), digest = 7 where memory_id = 'a'`;
  expect(await verification({ repair: true })).toMatchObject({ findings: [{ memoryId: "a", repaired: true }] });

  expect(await status("POST", "/backfill")).toMatchObject({ isUp: true });
  await world.caughtUp();
  expect(await verification({})).toMatchObject({ clean: true });

  // An operator's matter.
  for (const key of [service.keys.writer, service.keys.boundAdmin]) {
    expect((await service.request("POST", "/v1/replica/pause", { key })).statusCode).toBe(403);
  }
});

test("without a replica the status says so, and orders are refused", async (t) => {
  const service = await openService(t, { world: { faiss: false, redis: false } });
  expect((await service.request("GET", "/v1/replica")).json()).toMatchObject({ state: "off", isUp: false });
  for (const path of ["pause", "resume", "backfill", "dead-letters/retry", "dead-letters/drop", "verify"]) {
    const answer = await service.request(
      "POST",
      `/v1/replica/${path}`,
      path.includes("/") || path === "verify" ? { body: {} } : {},
    );
    expect([path, answer.statusCode, answer.json().code]).toEqual([path, 422, "CONFIGURATION"]);
  }
  expect((await service.request("GET", `${MEMORIES}/x`)).json()).not.toHaveProperty("sources");
});

test("every read over HTTP shows what the replica alone has, and says which sides it stands on", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { archive: "expired", readTimeoutMs: 20_000 },
    world: { settings: { indexes: { text: "english" }, syncIntervalMs: 100 } },
  });
  await world.put("a", { content: "alive beta" });
  await world.put("b", { content: "first" });
  await world.put("b", { content: "expired beta", expiresAt: "2020-01-01T00:00:00.000Z" });
  await expect
    .poll(() => world.world.sql`select ended_by from mnemosync.memory_versions where memory_id = 'b'`, {
      timeout: 60_000,
    })
    .toEqual([{ ended_by: "expired" }]);
  await world.caughtUp();
  const service = await serviceOn(t, world.world);
  const get = async (path: string) => (await service.request("GET", `/v1/namespaces/default${path}`)).json();
  const post = async (path: string, body: object) =>
    (await service.request("POST", `/v1/namespaces/default${path}`, { body })).json();
  const archived = { memoryId: "b", content: "expired beta", version: 2, source: "replica" };
  expect(await get("/memories/b")).toMatchObject({ ...archived, sources: OK });
  const page = await get("/memories?limit=1");
  expect(page).toMatchObject({ memories: [{ memoryId: "a" }], sources: OK });
  expect(await get(`/memories?limit=1&cursor=${encodeURIComponent(page.cursor)}`)).toMatchObject({
    memories: [{ memoryId: "b", source: "replica" }],
    sources: OK,
  });
  expect(await get("/count")).toEqual({ count: 2, estimate: false, sources: OK });
  const found = await post("/search", { text: "beta", mode: "text" });
  expect(found.sources).toEqual(OK);
  expect(found.results.map(({ memory }: { memory: { memoryId: string } }) => memory.memoryId).sort()).toEqual([
    "a",
    "b",
  ]);
  const history = await get("/memories/b/history");
  expect(history).toMatchObject({ versions: [{ version: 3 }, { version: 2 }, { version: 1 }], sources: OK });
  const missing = await service.request("GET", `${MEMORIES}/x`);
  expect([missing.statusCode, missing.json()]).toMatchObject([404, { code: "NOT_FOUND", sources: OK }]);
  await service.request("DELETE", `${MEMORIES}/b`);
  expect((await service.request("GET", `${MEMORIES}/b`)).statusCode).toBe(404);
});
