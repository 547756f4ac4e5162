import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { openService } from "../support/http-service.ts";
import { isSignedBy, WebhookReceiver } from "../support/webhook-receiver.ts";
import { WEBHOOKS } from "../support/webhook-world.ts";

/** Goal: a key makes, sees and changes the subscriptions of its own namespaces, and its webhook ends with it. */

const world = {
  faiss: false,
  settings: { webhooks: { ...WEBHOOKS, timeoutMs: 20_000, subscriptionsPerOwnerMax: 2 } },
} as const;

test("a subscription over HTTP from its making to its end, with its secret shown once", async (t) => {
  const service = await openService(t, { world });
  const receiver = await WebhookReceiver.start(t);
  const key = service.keys.tenant;
  const made = await service.request("POST", "/v1/subscriptions", { key, body: { url: receiver.url } });
  expect(made.statusCode).toBe(201);
  const { id, secret, ...shown } = made.json();
  expect(made.headers.location).toBe(`/v1/subscriptions/${id}`);
  expect(shown).toMatchObject({ owner: "key/tenant", namespaces: ["tenant-a"], reading: "changes", state: "active" });
  const path = `/v1/subscriptions/${id}`;
  const call = (verb: string, body?: object) =>
    service.request("POST", `${path}/${verb}`, { key, ...(body && { body }) });
  expect((await service.request("GET", path, { key })).json()).toEqual({ id, ...shown });
  expect((await call("test")).json()).toMatchObject({ accepted: true, status: 204, error: null });
  expect(receiver.received[0]?.body.type).toBe("webhook.test");
  // Rotated: both secrets sign.
  const rotated = (await call("rotate-secret", { overlapMs: 60_000 })).json();
  expect(rotated.secret).not.toBe(secret);
  await service.world.put({ ...service.world.memory(1), namespace: "tenant-a" });
  await service.world.put({ ...service.world.memory(2), namespace: "tenant-b" });
  const [, message] = await receiver.take(2);
  expect(message?.body.data).toMatchObject({ namespace: "tenant-a", memoryId: "m1" });
  if (message === undefined) throw new Error("there is no message");
  expect([isSignedBy(message, secret), isSignedBy(message, rotated.secret)]).toEqual([true, true]);
  expect((await call("pause")).json()).toMatchObject({ state: "paused", pausedReason: "asked" });
  const moved = { url: receiver.url, where: { memoryType: { eq: "semantic" } } };
  const refused = await service.request("PUT", path, { key, body: moved });
  expect([refused.statusCode, refused.json().path]).toEqual([422, "from"]);
  const other = { ...moved, reading: "versions" };
  const replaced = await service.request("PUT", path, { key, body: { ...other, from: "now" } });
  expect(replaced.json()).toMatchObject({
    where: { memoryType: { eq: "semantic" } },
    reading: "versions",
    state: "paused",
  });
  await service.world.put({ ...service.world.memory(3, { memoryType: "episodic" }), namespace: "tenant-a" });
  await service.world.put({ ...service.world.memory(4, { memoryType: "semantic" }), namespace: "tenant-a" });
  expect((await call("resume", {})).json()).toMatchObject({ state: "active" });
  expect((await receiver.take(3))[2]?.body.data.memoryId).toBe("m4");
  expect((await service.request("GET", `${path}/dead-letters`, { key })).json()).toEqual({ deadLetters: [] });
  expect((await call("dead-letters/replay", {})).json()).toEqual({ replayed: 0 });
  expect((await call("dead-letters/drop", { ids: ["msg_x"] })).json()).toEqual({ dropped: 0 });
  expect((await service.request("DELETE", path, { key })).statusCode).toBe(204);
  expect((await service.request("GET", path, { key })).statusCode).toBe(404);
  const [cursors] = await service.world.sql`select count(*)::int as count from mnemosync.feed_cursors`;
  expect(cursors?.count).toBe(0);
});

test("tenancy: foreign and operator's subscriptions are not there for a key, and rights are asked for when one is made", async (t) => {
  const service = await openService(t, { world });
  const url = "http://127.0.0.1:9/hooks";
  const post = (key: string, body: object) =>
    service.request("POST", "/v1/subscriptions", { key, body: { url, ...body } });
  const { admin, tenant, writer, reader, boundAdmin } = service.keys;
  const ofService = (await post(admin, { topics: ["drift", "health"] })).json();
  const ofAll = (await post(writer, {})).json();
  const ofB = (await post(writer, { namespaces: ["tenant-b"] })).json();
  const own = (await post(tenant, {})).json();
  expect([ofAll.namespaces, ofB.namespaces, own.namespaces]).toEqual([null, ["tenant-b"], ["tenant-a"]]);
  const listed = async (key: string) =>
    (await service.request("GET", "/v1/subscriptions", { key }))
      .json()
      .subscriptions.map(({ id }: { id: string }) => id);
  expect(await listed(admin)).toEqual([ofService.id, ofAll.id, ofB.id, own.id]);
  expect(await listed(writer)).toEqual([ofAll.id, ofB.id, own.id]);
  expect(await listed(tenant)).toEqual([own.id]);
  expect(await listed(boundAdmin)).toEqual([own.id]);
  for (const id of [ofService.id, ofAll.id, ofB.id]) {
    const answers = await Promise.all([
      service.request("GET", `/v1/subscriptions/${id}`, { key: tenant }),
      service.request("PUT", `/v1/subscriptions/${id}`, { key: tenant, body: { url } }),
      service.request("DELETE", `/v1/subscriptions/${id}`, { key: tenant }),
      service.request("POST", `/v1/subscriptions/${id}/rotate-secret`, { key: tenant, body: {} }),
      service.request("POST", `/v1/subscriptions/${id}/test`, { key: tenant }),
      service.request("GET", `/v1/subscriptions/${id}/dead-letters`, { key: tenant }),
    ]);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([404, 404, 404, 404, 404, 404]);
  }
  const refusals = [
    await post(tenant, { namespaces: ["tenant-b"] }),
    await post(tenant, { topics: ["drift"] }),
    await post(boundAdmin, { topics: ["change", "drift"] }),
    await post(writer, { topics: ["health"] }),
    await post(reader, {}),
    await service.request("PUT", `/v1/subscriptions/${own.id}`, {
      key: tenant,
      body: { url, namespaces: ["tenant-b"] },
    }),
  ];
  expect(refusals.map(({ statusCode }) => statusCode)).toEqual([403, 403, 403, 403, 403, 403]);
});

test("what is malformed is refused by name, and an owner has no more subscriptions than its quota", async (t) => {
  const service = await openService(t, { world });
  const url = "https://receiver.example/hooks";
  const post = (body: object) => service.request("POST", "/v1/subscriptions", { key: service.keys.tenant, body });
  const bad: readonly [object, string][] = [
    [{ url: "not an address" }, "url"],
    [{ url: "ftp://receiver.example" }, "url"],
    [{ url: "https://user:pass@receiver.example" }, "url"],
    [{ url: "https://receiver.example/#part" }, "url"],
    [{ url, where: { nothing: { eq: 1 } } }, "where.nothing"],
    [{ url, secret: "whsec_short" }, "secret"],
  ];
  for (const [body, path] of bad) {
    const answer = await post(body);
    expect([answer.statusCode, answer.json().path], JSON.stringify(body)).toEqual([422, path]);
    expect(answer.body).not.toMatch(/pass@|whsec_short/);
  }
  for (const _ of [1, 2]) expect((await post({ url })).statusCode).toBe(201);
  const full = await post({ url });
  expect([full.statusCode, full.json().detail]).toEqual([422, expect.stringMatching(/subscriptionsPerOwnerMax is 2/)]);
  // The refusal left no transaction open.
  expect((await service.request("GET", "/v1/subscriptions")).json().subscriptions).toHaveLength(2);
});

test("a key that expires takes its webhooks along; one that replaces it brings none back by itself", async (t) => {
  let now = Date.now();
  const expiresAt = new Date(now + 60_000).toISOString();
  const { key, entry } = createKey({ id: "leaving", scope: "write", namespaces: ["tenant-a"], expiresAt });
  const other = createKey({ id: "staying", owner: "two", scope: "write", namespaces: ["tenant-a", "tenant-b"] });
  const keyRing = KeyRing.of([entry, other.entry], { log: silentLog, now: () => now });
  const service = await openService(t, { world, keyRing, ownersIntervalMs: 50 });
  const receiver = await WebhookReceiver.start(t);
  const post = (by: string) => service.request("POST", "/v1/subscriptions", { key: by, body: { url: receiver.url } });
  const [leaving, staying] = [(await post(key)).json(), (await post(other.key)).json()];
  const stateOf = async (id: string) => await service.world.sync.subscriptions.get(id);
  expect(await stateOf(leaving.id)).toMatchObject({ state: "active", owner: "key/leaving" });
  now += 60_000;
  await pollUntil("the webhook to be paused", 60_000, async () => (await stateOf(leaving.id)).state === "paused");
  expect(await stateOf(leaving.id)).toMatchObject({ pausedReason: "key_lost" });
  expect(await stateOf(staying.id)).toMatchObject({ state: "active" });
});

test("without a key for secrets, subscriptions are refused with what is missing", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const refused = await service.request("POST", "/v1/subscriptions", { body: { url: "https://receiver.example/" } });
  expect([refused.statusCode, refused.json().detail]).toEqual([
    422,
    expect.stringMatching(/MNEMOSYNC_WEBHOOKS_SECRET_KEY/),
  ]);
  expect((await service.request("GET", "/v1/subscriptions")).json()).toEqual({ subscriptions: [], after: null });
});
