import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, vi } from "vitest";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import { addKey, revokeKey } from "../../src/http/keys-file.ts";
import { checksumOf } from "../../src/index.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { browserTest } from "../support/browser-test.ts";
import { openConsole } from "../support/console.ts";
import { openFullConsole } from "../support/console-world.ts";
import { MEMORY, openService } from "../support/http-service.ts";
import { leaveToPerson } from "../support/manual-conflicts.ts";
import { REPOSITORY } from "../support/program.ts";

/** Goal: a person does with the console what it is for. Method: the built pages in a real browser, on real stores. */

// A limit against hanging: a browser takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const { test, browser } = browserTest();

const COMPRESSED_MAX = 150 * 1_024;

test("what is built is small, and names no other host", async () => {
  const folder = join(REPOSITORY, "dist", "console");
  const names = ["index.html", ...(await readdir(join(folder, "assets"))).map((name) => join("assets", name))];
  const files = await Promise.all(names.map(async (name) => await readFile(join(folder, name))));
  const compressed = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
  expect(files.length).toBeGreaterThanOrEqual(3);
  expect(compressed).toBeLessThan(COMPRESSED_MAX);
  const hosts = files.flatMap((file) => file.toString("utf8").match(/https?:\/\/[\w.-]+/g) ?? []);
  // Names of XML's vocabularies are no addresses.
  expect(hosts.filter((host) => host !== "http://www.w3.org")).toEqual([]);
});

test("a key opens a session, is kept in memory alone, and ends it when it is revoked", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-console-keys-"));
  t.onTestFinished(async () => await rm(folder, { recursive: true }));
  const path = join(folder, "keys.json");
  const { key, entry } = createKey({ id: "guest", scope: "read", namespaces: "*" });
  await addKey(path, entry);
  const keyRing = await KeyRing.fromFile(path, { log: silentLog, rereadMs: 50 });
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 }, keyRing });
  const console = await openConsole(t, browser(), service, { key: null });
  const { page } = console;
  await page.getByLabel("Service key").fill("mns_guest_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("does not know this key").first().waitFor();
  await console.signIn(key);
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  const kept = await page.evaluate(async () => {
    const { localStorage, sessionStorage, document, indexedDB, location } = globalThis as unknown as {
      localStorage: object;
      sessionStorage: object;
      document: { cookie: string };
      indexedDB: { databases(): Promise<unknown[]> };
      location: { href: string };
    };
    const stored = [Object.keys(localStorage).length, Object.keys(sessionStorage).length];
    return { stored, cookie: document.cookie, databases: await indexedDB.databases(), address: location.href };
  });
  expect(kept).toMatchObject({ stored: [0, 0], cookie: "", databases: [] });
  expect(kept.address).not.toContain("mns_");
  await revokeKey(path, "guest");
  await page.getByText("Your session has ended").waitFor();
  expect(await page.getByRole("navigation", { name: "Pages" }).count()).toBe(0);
  console.expectQuiet();
});

test("a key without the scope admin looks, and changes nothing", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  await service.world.put({ memoryId: "m1", ...MEMORY });
  const console = await openConsole(t, browser(), service, { key: service.keys.reader });
  const { page } = console;
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByText("read-only").first().waitFor();
  const orders = page.getByRole("button", {
    name: /check|repair|decide|edit|restore|erase|pause|resume|drop|retry|revoke/i,
  });
  for (const place of ["drift", "conflicts", "queue", "connectors", "edges", "replica", "keys"]) {
    await console.go(place);
    await page.getByText("This page is for keys with the scope admin").waitFor();
    expect([place, await orders.count()]).toEqual([place, 0]);
  }
  await console.go("memories/default/m1");
  await page.getByText(MEMORY.content).first().waitFor();
  expect(await orders.count()).toBe(0);
  console.expectQuiet();
});

test("the console is used by keyboard alone", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  const console = await openConsole(t, browser(), service);
  const { page } = console;
  const focused = async () =>
    await page.evaluate(() => {
      const { document } = globalThis as unknown as {
        document: { activeElement: { textContent: string | null } | null };
      };
      return document.activeElement?.textContent?.trim() ?? "";
    });
  await page.reload();
  await page.getByLabel("Service key").focus();
  await page.keyboard.type(service.keys.admin);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the page");
  for (let presses = 0; (await focused()) !== "Keys" && presses < 20; presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  console.expectQuiet();
});

test("drift is found, seen and repaired after a preview of what would change", async (t) => {
  // Its loop leaves the drift to the reader.
  const service = await openService(t, { world: { faiss: false, settings: { repairKinds: [] } }, http: { port: 0 } });
  const { world } = service;
  for (const memoryId of ["m1", "m2", "m3"]) await world.put({ memoryId, ...MEMORY });
  await world.untilMarked();
  await world.redis.del(world.redisKey("m1"));
  await world.redis.hset(world.redisKey("m2"), "data", '{"content":"edited by hand"}');
  const console = await openConsole(t, browser(), service, { place: "drift" });
  const { page } = console;
  await page.getByText("No check has run yet").waitFor();
  await page.getByRole("radio", { name: /Deep/ }).check();
  await page.getByRole("button", { name: "Run the check" }).click();
  const kinds = page.getByRole("group", { name: "Findings by kind and store" });
  await kinds.getByRole("row", { name: /missing.*redis/ }).waitFor();
  await kinds.getByRole("row", { name: /corrupt.*redis/ }).waitFor();
  await page.getByRole("list", { name: "Findings" }).getByRole("link", { name: /m1/ }).click();
  const finding = page.getByRole("region", { name: "m1: missing in redis" });
  await finding.getByText("Nothing is there").waitFor();
  await finding.getByText(MEMORY.content).waitFor();
  await page.getByRole("button", { name: "Preview" }).click();
  const plan = page.getByRole("region", { name: "What the repair would change" });
  await plan.getByText("2 would be repaired").waitFor();
  expect(await world.redis.exists(world.redisKey("m1"))).toBe(0); // A preview changes nothing.
  await page.getByRole("button", { name: "Repair 2 findings" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Repair" }).click();
  await page.getByRole("region", { name: "Result of the repair" }).getByText("2 findings repaired").waitFor();
  expect(await world.redis.exists(world.redisKey("m1"))).toBe(1);
  await page.getByRole("button", { name: "Run the check" }).click();
  await page.getByText("The stores agree with the ledger").waitFor();
  console.expectQuiet();
});

test("both sides of a finding are seen side by side before a conflict is on record", async (t) => {
  // Its loop would decide by itself.
  const service = await openService(t, { world: { settings: { repairKinds: [] } }, http: { port: 0 } });
  const { world } = service;
  await world.put({ ...world.memory(1), memoryId: "d1", content: "the train leaves at nine" });
  const at = world.redisKey("d1");
  const said = JSON.parse((await world.redis.hget(at, "data")) ?? "") as object;
  const data = JSON.stringify({ ...said, content: "the train leaves at noon" });
  const checksum = checksumOf(data, await world.redis.hgetBuffer(at, "embedding"));
  await world.redis.hset(at, { data, checksum });
  await world.untilMarked();
  const console = await openConsole(t, browser(), service, { place: "drift" });
  const { page } = console;
  await page.getByRole("button", { name: "Run the check" }).click();
  await page.getByRole("list", { name: "Findings" }).getByRole("link", { name: /d1/ }).click();
  const finding = page.getByRole("region", { name: "d1: diverged in redis" });
  await finding.getByRole("region", { name: "The ledger's side" }).getByText("leaves at nine").waitFor();
  await finding.getByRole("region", { name: "The side of redis" }).getByText("leaves at noon").waitFor();
  const difference = finding.getByRole("region", { name: "How they differ" });
  await difference.getByText("noon", { exact: true }).waitFor();
  await difference.getByText("nine", { exact: true }).waitFor();
  await finding.getByText("faiss: It agrees with the ledger.").waitFor();
  expect(await world.sync.conflicts.list()).toEqual([]);
  expect([await console.accessibilityFlaws(), await console.overflow()]).toEqual([[], 0]);
  console.expectQuiet();
});

test("conflicts are decided, one with both sides in sight and undone by the history, and others together", async (t) => {
  // Its loop would decide by itself.
  const service = await openService(t, { world: { faiss: false, settings: { repairKinds: [] } }, http: { port: 0 } });
  const { world } = service;
  for (const memoryId of ["c1", "c2", "c3"]) {
    await world.put({ memoryId, ...MEMORY, content: "the train leaves at nine" });
    const at = world.redisKey(memoryId);
    const said = JSON.parse((await world.redis.hget(at, "data")) ?? "") as object;
    const data = JSON.stringify({ ...said, content: "the train leaves at noon" });
    await world.redis.hset(at, { data, checksum: checksumOf(data, null) });
  }
  expect(await leaveToPerson(world)).toHaveLength(3);
  const content = async (memoryId: string) => (await world.sync.get(memoryId))?.content;
  const console = await openConsole(t, browser(), service, { place: "conflicts" });
  const { page } = console;
  await page.getByRole("link", { name: "c1" }).click();
  await page.getByRole("region", { name: "The ledger's side" }).getByText("leaves at nine").waitFor();
  await page.getByRole("region", { name: "The side of redis" }).getByText("leaves at noon").waitFor();
  const difference = page.getByRole("region", { name: "How they differ" });
  await difference.getByText("noon", { exact: true }).waitFor();
  await difference.getByText("nine", { exact: true }).waitFor();
  await page.getByRole("radio", { name: /The side of redis/ }).check();
  await page.getByRole("button", { name: "Decide" }).click();
  await page.getByText("Decided.").waitFor();
  expect(await content("c1")).toBe("the train leaves at noon");
  await page.getByRole("link", { name: "Undo it in the history" }).click();
  await page.getByRole("button", { name: "Restore version 1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByText("Version 1 is restored").waitFor();
  expect(await content("c1")).toBe("the train leaves at nine");
  await console.go("conflicts");
  await page.getByLabel("All 2 on this page").check();
  await page.getByRole("button", { name: "Decide the chosen ones" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Decide 2 conflicts" }).click();
  await dialog.getByText("2 of 2 decided").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByText("No conflict awaits a decision").waitFor();
  expect([await content("c2"), await content("c3")]).toEqual(Array(2).fill("the train leaves at nine"));
  console.expectQuiet();
});

test("a memory is found, edited, restored and erased, and its id made usable again", async (t) => {
  const embedding = { provider: "hashing", dimension: 8 } as const;
  const settings = { embedding, indexes: { text: "english" } };
  const service = await openService(t, { world: { settings }, http: { port: 0 } });
  const { world } = service;
  await world.put({ memoryId: "m1", ...MEMORY, content: "Jonas runs in Kalmar" });
  await world.put({ memoryId: "m2", ...MEMORY, content: "Amara is allergic to cashews" });
  const current = async () => (await world.sync.get("m2"))?.content;
  const console = await openConsole(t, browser(), service, { place: "memories/default" });
  const { page } = console;
  await page.getByRole("list", { name: "Memories of default" }).getByRole("listitem").nth(1).waitFor();
  for (const mode of ["text", "vector", "hybrid"]) {
    await page.getByLabel("Search for").fill("cashews");
    await page.getByLabel("By", { exact: true }).selectOption(mode);
    await page.getByRole("button", { name: "Search" }).click();
    await page
      .getByRole("main")
      .getByRole("link", { name: /allergic to cashews/ })
      .waitFor();
  }
  await page
    .getByRole("main")
    .getByRole("link", { name: /allergic to cashews/ })
    .click();
  await page.getByRole("heading", { level: 1, name: "m2" }).waitFor();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("textbox", { name: "Content" }).fill("Amara is allergic to pistachios");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved as version 2").waitFor();
  expect(await current()).toBe("Amara is allergic to pistachios");
  const words = page.getByRole("region", { name: "Compare versions" });
  await words.getByText("pistachios").first().waitFor();
  await words.getByText("cashews").first().waitFor();
  await page.getByRole("button", { name: "Restore version 1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByText("Version 1 is restored as version 3").waitFor();
  expect(await current()).toBe("Amara is allergic to cashews");
  await page.getByRole("button", { name: "Erase" }).click();
  const erase = page.getByRole("button", { name: "Erase for good" });
  expect(await erase.isDisabled()).toBe(true);
  await page.getByLabel("The id of the memory, to confirm").fill("m1");
  expect(await erase.isDisabled()).toBe(true);
  await page.getByLabel("The id of the memory, to confirm").fill("m2");
  await erase.click();
  await page.getByRole("region", { name: "Erasure" }).getByText("complete").waitFor();
  await page.getByText("There is no such memory now").waitFor();
  await expect.poll(() => page.getByText("cashews").count(), { timeout: 60_000 }).toBe(0);
  expect(await world.sync.get("m2")).toBeNull();
  expect((await world.sync.get("m1"))?.content).toBe("Jonas runs in Kalmar");
  await page.getByRole("button", { name: "Make the id usable again" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make usable" }).click();
  await page.getByText("The id m2 can be written again").waitFor();
  await world.put({ memoryId: "m2", ...MEMORY });
  expect(await current()).toBe(MEMORY.content);
  console.expectQuiet();
});

test("axe finds nothing on any page; the deep test has narrow windows and the dark", async (t) => {
  const { service, places } = await openFullConsole(t);
  const console = await openConsole(t, browser(), service);
  for (const place of places) {
    await console.go(place);
    await console.settled();
    expect([place, await console.accessibilityFlaws(), await console.overflow()]).toEqual([place, [], 0]);
  }
  console.expectQuiet();
});
