import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { openCommandLine } from "../support/command-line.ts";
import { MEMORY, openService } from "../support/http-service.ts";

/** Goal: erasures over HTTP and from the command line do what the library does, for those alone who may. */

vi.setConfig({ testTimeout: 300_000 });

test("over HTTP a dry run changes nothing, an erasure is accepted with a receipt, and its ids answer 410 until revived", async (t) => {
  const { request, keys, world } = await openService(t).then((service) => ({
    request: service.request.bind(service),
    keys: service.keys,
    world: service.world,
  }));
  const base = "/v1/namespaces/tenant-a";
  for (const id of ["m1", "m2", "m3"]) await request("PUT", `${base}/memories/${id}`, { body: MEMORY });
  for (const key of [keys.writer, keys.reader, keys.tenant]) {
    expect((await request("POST", `${base}/memories/m1/erase`, { key, body: {} })).statusCode).toBe(403);
  }
  const dry = await request("POST", `${base}/erase`, { body: { everything: true, dryRun: true } });
  expect([dry.statusCode, dry.json()]).toEqual([
    200,
    { dryRun: true, kind: "namespace", namespace: "tenant-a", memories: 3, memoryIds: ["m1", "m2", "m3"] },
  ]);
  expect((await request("GET", `${base}/memories/m1`)).statusCode).toBe(200);
  const accepted = await request("POST", `${base}/memories/m1/erase`, {
    key: keys.boundAdmin,
    body: { reason: "asked for" },
  });
  expect(accepted.statusCode).toBe(202);
  expect(accepted.json()).toMatchObject({ kind: "memory", memoryId: "m1", actor: "bound-admin", reason: "asked for" });
  const { location } = accepted.headers;
  expect(location).toBe(`${base}/erasures/${accepted.json().erasureId}`);
  const receipt = async () => (await request("GET", location as string, { key: keys.boundAdmin })).json();
  await pollUntil("the receipt", 60_000, async () => (await receipt()).state === "complete");
  expect(await receipt()).toMatchObject({ erased: 1, awaiting: [], stores: [{ store: "faiss" }, { store: "redis" }] });
  const refused = await request("PUT", `${base}/memories/m1`, { body: MEMORY });
  expect([refused.statusCode, refused.json().code]).toEqual([410, "ERASED"]);
  // A receipt of another namespace does not exist for a key that is bound to this one.
  const elsewhere = await request("GET", (location as string).replace("tenant-a", "tenant-b"));
  expect(elsewhere.statusCode).toBe(404);

  const revive = `${base}/memories/m1/revive`;
  expect((await request("POST", revive, { key: keys.writer })).statusCode).toBe(403);
  expect((await request("POST", revive)).json()).toMatchObject({ version: 3 });
  expect((await request("POST", revive)).statusCode).toBe(404);
  expect((await request("PUT", `${base}/memories/m1`, { body: MEMORY })).json()).toMatchObject({ version: 4 });

  for (const body of [
    {},
    { where: {} },
    { where: { importance: { gt: 0 } }, everything: true },
    { where: { nothing: { eq: 1 } } },
  ]) {
    expect((await request("POST", `${base}/erase`, { body })).statusCode).toBe(422);
  }
  const filtered = await request("POST", `${base}/erase`, { body: { where: { memoryId: { in: ["m2", "m3"] } } } });
  const id = filtered.json().erasureId as string;
  await pollUntil("the erasure", 60_000, async () => (await world.sync.erasures.get(id)).state === "complete");
  const list = await request("GET", `${base}/erasures?limit=1`);
  expect(list.json()).toMatchObject({ erasures: [{ erasureId: id, kind: "filter", erased: 2 }] });
  expect(await (await request("GET", "/metrics", { key: keys.admin })).body).toMatch(/^mnemosync_erasures_total 2$/m);
});

test("mnemosync erase, erasures and revive", async () => {
  const cli = await openCommandLine();
  for (const id of ["m1", "m2"]) await cli.run(["put", id, "--content", "x"]);
  const dry = await cli.json<{ memories: number }>(["erase", "m1", "--dry-run"]);
  expect(dry).toMatchObject({ code: 0, document: { dryRun: true, memories: 1, memoryIds: ["m1"] } });
  const people = await cli.run(["erase", "--everything", "--namespace", "default", "--dry-run"]);
  expect(people.stdout).toBe("2 memories of default would be erased; nothing was changed\n\nm1\nm2\n");
  const erased = await cli.json<{ erasureId: string }>(["erase", "m1", "--actor", "ops", "--reason", "asked for"]);
  expect(erased).toMatchObject({ code: 0, document: { state: "complete", erased: 1, actor: "ops" } });
  const put = await cli.run(["put", "m1", "--content", "x"]);
  expect([put.code, put.stderr]).toEqual([1, expect.stringMatching(/"m1" of default was erased/)]);
  expect((await cli.run(["erasures"])).stdout).toContain("default/m1");
  const shown = await cli.json(["erasures", erased.document.erasureId]);
  expect(shown.document).toEqual(erased.document);
  expect(await cli.json(["erase", "--everything", "--namespace", "default", "--no-index"])).toMatchObject({
    document: { kind: "namespace", erased: 1 },
  });
  for (const args of [
    ["erase"],
    ["erase", "--everything"],
    ["erase", "m1", "--everything", "--namespace", "default"],
  ]) {
    expect((await cli.run(args)).code).toBe(2);
  }
  expect((await cli.run(["revive", "m1"])).stdout).toMatch(/default\/m1 may be written again/);
  expect((await cli.run(["revive", "m1"])).code).toBe(1);
  expect((await cli.run(["put", "m1", "--content", "x"])).code).toBe(0);
});
