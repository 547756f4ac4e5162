import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, test as base, expect } from "vitest";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import { addKey, revokeKey } from "../../src/http/keys-file.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { openBrowser, reasonToSkip } from "../support/browser.ts";
import { openConsole } from "../support/console.ts";
import { MEMORY, openService } from "../support/http-service.ts";
import { REPOSITORY } from "../support/program.ts";

/** Goal: a person does with the console what it is for. Method: the built pages in a real browser, on real stores. */

const skipped = reasonToSkip();
// biome-ignore lint/suspicious/noConsole: a test that is skipped says why.
if (skipped !== null) console.warn(`tests of the console are skipped: ${skipped}`);
const test = base.skipIf(skipped !== null);

let browser: Browser;
beforeAll(async () => {
  if (skipped === null) browser = await openBrowser();
});
afterAll(async () => {
  if (skipped === null) await browser.close();
});

const COMPRESSED_MAX = 150 * 1_024;

test("what is built is small, and names no other host", async () => {
  const folder = join(REPOSITORY, "dist", "console");
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const files = await Promise.all(names.map(async ({ parentPath, name }) => await readFile(join(parentPath, name))));
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
  const console = await openConsole(t, browser, service, { key: null });
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
  const console = await openConsole(t, browser, service, { key: service.keys.reader });
  const { page } = console;
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByText("read-only").first().waitFor();
  const orders = page.getByRole("button", { name: /check|repair|decide|edit|restore|erase|pause|resume|drop|retry|revoke/i });
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
