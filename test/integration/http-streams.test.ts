import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { HttpService } from "../../src/http/http-service.ts";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import type { KeyEntry } from "../../src/http/keys-file.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { EventReader } from "../support/event-reader.ts";
import { openEvents } from "../support/event-service.ts";
import { httpOptions, openService } from "../support/http-service.ts";
import { recordingLog } from "../unit/faiss/support.ts";

/** Goal: a stream of events costs the service a bounded part of its memory and places, and ends when it must. */

test("a reader that does not read is cut off; the service holds one event for it, and others go on", async (t) => {
  const log = recordingLog();
  const service = await openEvents(t, { http: { streamStallTimeoutMs: 2_000 }, log });
  const content = "x".repeat(300_000);
  const numbers = Array.from({ length: 40 }, (_, number) => number);
  await service.world.sync.syncBatch(numbers.map((number) => service.world.memory(number, { content })));
  const responses: ServerResponse[] = [];
  service.app.server.on("request", (_, response: ServerResponse) => void responses.push(response));
  const socket = connect((service.app.server.address() as { port: number }).port, "127.0.0.1");
  t.onTestFinished(async () => void socket.destroy());
  socket.on("error", () => undefined); // The cut.
  socket.pause();
  socket.write(`GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${service.keys.reader}\r\n\r\n`);
  let heldMax = 0;
  await pollUntil("the cut", 60_000, () => {
    heldMax = Math.max(heldMax, responses[0]?.writableLength ?? 0);
    return log.events.some(({ event }) => event === "http.stream_cut");
  });
  expect(heldMax).toBeGreaterThan(0);
  expect(heldMax).toBeLessThan(700_000); // One event and what the buffer takes, of 12 MB.
  await pollUntil("the place to be free", 30_000, () => service.service.streams.open === 0);
  const reading = await service.follow();
  expect(await reading.take(40)).toHaveLength(40);
});

test("a stop ends streams and waiting readers, each with its reason, and in time", async (t) => {
  const service = await openEvents(t);
  const [one, two] = [await service.follow(), await service.follow("?from=now")];
  const waiting = service.request("GET", "/v1/namespaces/default/changes?from=now&waitMs=30000");
  await pollUntil("all to wait", 30_000, () => service.service.streams.open === 3);
  const stopping = service.service.stop();
  for (const reader of [one, two]) {
    expect(await reader.next()).toMatchObject({ event: "closed", data: { code: "NOT_READY", retryable: true } });
    expect(await reader.next()).toBeNull();
  }
  expect((await waiting).json()).toMatchObject({ status: 503, code: "NOT_READY" });
  expect(await stopping).toBe(true);
  expect(service.service.streams.open).toBe(0);
});

test("streams are counted per key and in all; one that ends makes room", async (t) => {
  const service = await openEvents(t, { http: { streamsPerKeyMax: 2, streamsMax: 3 } });
  const { keys, follow } = service;
  const first = await follow();
  await follow();
  const refused = await follow();
  expect([refused.response.status, refused.response.headers.get("retry-after")]).toEqual([429, "5"]);
  const changes = "/v1/namespaces/default/changes";
  const waiting = await service.request("GET", `${changes}?waitMs=1000`, { key: keys.reader });
  expect([waiting.statusCode, waiting.json().code]).toEqual([429, "TOO_MANY_STREAMS"]);
  expect((await service.request("GET", changes, { key: keys.reader })).statusCode).toBe(200);
  expect((await follow("", { key: keys.admin })).response.status).toBe(200);
  expect((await follow("", { key: keys.writer })).response.status).toBe(429);
  first.hangUp();
  await pollUntil("room", 30_000, () => service.service.streams.open === 2);
  for (let time = 0; time < 2; time++) expect((await follow("?cursor=x")).response.status).toBe(422);
  expect((await follow()).response.status).toBe(200);
});

test("an export that is refused for its filter keeps no place", async (t) => {
  const service = await openEvents(t, { http: { streamsPerKeyMax: 2 } });
  const path = "/v1/namespaces/default/export";
  const flawed = encodeURIComponent('{"memoryTyp":{"eq":"x"}}');
  for (let time = 0; time < 3; time++) {
    expect((await service.request("GET", `${path}?where=${flawed}`)).statusCode).toBe(422);
  }
  expect(service.service.streams.open).toBe(0);
  expect((await service.request("GET", path)).statusCode).toBe(200);
});

test("a key that is revoked or bound anew loses its stream, and others go on", async (t) => {
  const tested = await openService(t, { world: { faiss: false } });
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-events-test-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "keys.json");
  const made = ["gone", "moved", "kept"].map((id) => createKey({ id, scope: "read", namespaces: ["a", "b"] }));
  const write = (entries: readonly KeyEntry[]) => writeFile(path, JSON.stringify({ keys: entries }));
  await write(made.map(({ entry }) => entry));
  const service = await HttpService.create({
    http: httpOptions({ port: 0 }),
    keys: await KeyRing.fromFile(path, { log: silentLog, rereadMs: 0 }),
    log: silentLog,
    connect: () => MemorySynchronizer.connect(tested.world.connectOptions),
  });
  t.onTestFinished(async () => void (await service.stop()));
  await service.connect(new AbortController().signal);
  const { port } = await service.listen();
  const url = `http://127.0.0.1:${port}/v1/events`;
  const [gone, moved, kept] = (await Promise.all(
    made.map(({ key }) => EventReader.open(url, { authorization: `Bearer ${key}` })),
  )) as [EventReader, EventReader, EventReader];
  const [, movedEntry, keptEntry] = made.map(({ entry }) => entry) as [KeyEntry, KeyEntry, KeyEntry];
  await write([{ ...movedEntry, namespaces: ["a"] }, keptEntry]);
  for (const reader of [gone, moved]) {
    expect(await reader.next()).toMatchObject({ event: "closed", data: { status: 401, code: "UNAUTHENTICATED" } });
    expect(await reader.next()).toBeNull();
  }
  await tested.world.put({ ...tested.world.memory(1), namespace: "b" });
  expect(await kept.take(1)).toMatchObject([{ event: "put", data: { namespace: "b" } }]);
  kept.hangUp();
});
