import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { EventReader } from "../support/event-reader.ts";
import { MEMORY, openService, type TestServiceOptions } from "../support/http-service.ts";

/** Goal: the service shows the console's files, safely, and answers what its pages ask. console.test.ts has the pages. */

type Test = Parameters<typeof openService>[0];

const SCRIPT = `document.title = "${"x".repeat(2_000)}";`;

/** A service whose console is two files. */
async function openWithConsole(t: Test, options: TestServiceOptions = {}) {
  const consoleFolder = await mkdtemp(join(tmpdir(), "mnemosync-console-"));
  t.onTestFinished(async () => await rm(consoleFolder, { recursive: true }));
  await mkdir(join(consoleFolder, "assets"));
  await writeFile(join(consoleFolder, "index.html"), "<!doctype html><title>console</title>");
  await writeFile(join(consoleFolder, "assets", "app-1a2b.js"), SCRIPT);
  await writeFile(join(consoleFolder, "assets", "notes.txt"), "no file of a console");
  return await openService(t, { world: { faiss: false }, consoleFolder, ...options });
}

test("the console is files without a key, with a policy that lets in nothing from elsewhere", async (t) => {
  const service = await openWithConsole(t);
  const anyone = { key: null };
  const moved = await service.request("GET", "/console", anyone);
  expect([moved.statusCode, moved.headers.location]).toEqual([308, "console/"]);
  const index = await service.request("GET", "/console/", anyone);
  expect(index.statusCode).toBe(200);
  expect(index.body).toContain("<title>console</title>");
  expect(index.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
  });
  expect(index.headers["set-cookie"]).toBeUndefined();
  const policy = String(index.headers["content-security-policy"]);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  const script = await service.request("GET", "/console/assets/app-1a2b.js", {
    ...anyone,
    headers: { "accept-encoding": "br, gzip" },
  });
  expect(script.headers).toMatchObject({
    "content-type": "text/javascript; charset=utf-8",
    "cache-control": "public, max-age=31536000, immutable",
    "content-encoding": "gzip",
    vary: "accept-encoding",
  });
  expect(gunzipSync(script.rawPayload).toString()).toBe(SCRIPT);
  expect(script.rawPayload.length).toBeLessThan(SCRIPT.length / 2);
  const plain = await service.request("GET", "/console/assets/app-1a2b.js", anyone);
  expect([plain.body, plain.headers["content-encoding"]]).toEqual([SCRIPT, undefined]);
  const head = await service.request("HEAD", "/console/", anyone);
  expect([head.statusCode, head.body, head.headers["content-length"]]).toEqual([
    200,
    "",
    String(Buffer.byteLength(index.body)),
  ]);
});

test("the console gives out its own files and no others", async (t) => {
  const service = await openWithConsole(t);
  for (const file of ["notes.txt", "app-0000.js", "index.html", "..%2findex.html", "%2e%2e%2f%2e%2e%2fpackage.json"]) {
    const { statusCode, headers, body } = await service.request("GET", `/console/assets/${file}`, { key: null });
    expect([file, statusCode === 404 || statusCode === 400]).toEqual([file, true]);
    expect(headers["cache-control"]).toBe("no-store");
    expect(body).not.toContain("no file of a console");
  }
  expect((await service.request("POST", "/console/", { key: null, body: {} })).statusCode).toBe(404);
});

test("where the console is turned off, or was not built, the answer says so and names the next step", async (t) => {
  const off = await openWithConsole(t, { http: { console: false } });
  for (const path of ["/console", "/console/", "/console/settings.json", "/console/assets/app-1a2b.js"]) {
    const { statusCode, body } = await off.request("GET", path, { key: null });
    expect([path, statusCode, body]).toEqual([path, 404, expect.stringContaining("http.console")]);
  }
  expect(off.service.samples).toBeNull();
  const unbuilt = await openService(t, { world: { faiss: false }, consoleFolder: "/nowhere" });
  const { statusCode, body } = await unbuilt.request("GET", "/console/", { key: null });
  expect([statusCode, body]).toEqual([404, expect.stringContaining("npm run build")]);
});

test("the console learns whether to ask for a key, and what a key permits; keys are listed without their secrets", async (t) => {
  const service = await openWithConsole(t);
  const settings = await service.request("GET", "/console/settings.json", { key: null });
  expect(settings.json()).toMatchObject({ authentication: "keys" });
  const self = async (key: string) => (await service.request("GET", "/v1/keys/self", { key })).json();
  expect(await self(service.keys.admin)).toEqual({
    ...{ id: "admin", owner: "admin", scope: "admin", operator: true, namespaces: null, expiresAt: null },
  });
  expect(await self(service.keys.boundAdmin)).toMatchObject({ operator: false, namespaces: ["tenant-a"] });
  expect(await self(service.keys.reader)).toMatchObject({ scope: "read", operator: false });
  const page = (await service.request("GET", "/v1/keys?limit=4")).json();
  expect(page.keys.map(({ id }: { id: string }) => id)).toEqual(["admin", "bound-admin", "expired", "reader"]);
  expect(page.keys[2]).toMatchObject({ expired: true });
  const rest = await service.request("GET", `/v1/keys?after=${page.after}`);
  expect(rest.json()).toMatchObject({ after: null, keys: [{ id: "tenant" }, { id: "writer" }] });
  expect(JSON.stringify(page) + rest.body).not.toMatch(/sha256|mns_|[0-9a-f]{64}/);
  expect((await service.request("GET", "/v1/keys", { key: service.keys.reader })).statusCode).toBe(403);
});

test("status and samples come as events: the last hour first, then what is new; a key of some namespaces gets no samples", async (t) => {
  const service = await openWithConsole(t, { http: { port: 0 } });
  const samples = service.service.samples;
  if (samples === null) throw new Error("the service keeps no samples");
  await samples.take();
  await service.world.put({ memoryId: "m1", ...MEMORY });
  await samples.take();
  const { port } = await service.service.listen();
  const follow = async (key: string): Promise<EventReader> => {
    const headers = { authorization: `Bearer ${key}` };
    const reader = await EventReader.open(`http://127.0.0.1:${port}/v1/status/events`, headers);
    t.onTestFinished(async () => reader.hangUp());
    return reader;
  };
  const reader = await follow(service.keys.reader);
  const first = await reader.next();
  expect(first).toMatchObject({ event: "status", data: { status: { stores: { postgres: { state: "healthy" } } } } });
  expect(first?.data.status.services).toEqual({}); // It is no operator's.
  expect(first?.data.samples).toHaveLength(2);
  expect(first?.data.samples[1].writesPerSecond).toBeGreaterThan(0);
  expect(first?.data.samples[1]).toMatchObject({ pending: 0, dead: 0, lagSeconds: { redis: expect.any(Number) } });
  await samples.take();
  let later = await reader.next();
  while (later?.data.samples.length === 0) later = await reader.next(); // They were under way.
  expect(later?.data.samples).toHaveLength(1);
  const bound = await follow(service.keys.tenant);
  expect((await bound.next())?.data).toMatchObject({ samples: [], status: { consistency: null } });
});

test("without keys the console's own pages may call the service, and pages of other origins may not", async (t) => {
  const service = await openWithConsole(t, { http: { authentication: "none" }, isKeyless: true });
  expect((await service.request("GET", "/console/settings.json", { key: null })).json()).toMatchObject({
    authentication: "none",
  });
  const asked = async (host: string, origin: string) => {
    const headers = { host, origin };
    return (await service.request("GET", "/v1/keys/self", { key: null, headers })).statusCode;
  };
  expect(await asked("127.0.0.1:8420", "http://127.0.0.1:8420")).toBe(200);
  expect(await asked("localhost:8420", "http://localhost:8420")).toBe(200);
  expect(await asked("127.0.0.1:8420", "http://127.0.0.1:9999")).toBe(403);
  expect(await asked("127.0.0.1:8420", "https://example.com")).toBe(403);
  expect(await asked("example.com:8420", "http://example.com:8420")).toBe(403); // A name that was rebound to this machine.
  const self = await service.request("GET", "/v1/keys/self", { key: null, headers: { host: "localhost" } });
  expect(self.json()).toMatchObject({ id: "anybody", scope: "admin", operator: true });
  const keys = await service.request("GET", "/v1/keys", { key: null, headers: { host: "localhost" } });
  expect(keys.json()).toEqual({ authentication: "none", keys: [], after: null });
});
