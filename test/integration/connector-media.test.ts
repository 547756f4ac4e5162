import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { mediaOfMetadata } from "../../src/connectors/media/media-reference.ts";
import { HostedNode } from "../support/connectors/hosted-world.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { filesIn, findTraces } from "../support/erasure-traces.ts";
import { openService, type TestService } from "../support/http-service.ts";
import { unitVector } from "../support/memories.ts";
import type { World } from "../support/world.ts";

/** Goal: files of items in a deployment: who gets them, how long they are kept, and that an erasure takes them. */

vi.setConfig({ testTimeout: 300_000 });

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

interface Place {
  readonly service: TestService;
  readonly world: World;
  readonly space: MemorySpaceServer;
  readonly folder: string;
}

async function open(ownRedis = false): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "connector-media-"));
  const space = await MemorySpaceServer.start();
  onTestFinished(async () => {
    await space.close();
    await rm(folder, { recursive: true, force: true });
  });
  const settings = { connectors: { mediaDirectory: folder, secretKey: Buffer.alloc(32, 7).toString("base64") } };
  const t = { onTestFinished: (finish: () => Promise<void>) => onTestFinished(finish) };
  const service = await openService(t, { world: { faiss: ownRedis ? {} : false, ownRedis, settings } });
  return { service, world: service.world, space, folder };
}

function put(
  { space }: Place,
  id: string,
  bytes: Buffer,
  type = "audio/ogg;codecs=opus",
  transcript = `of ${id}`,
): void {
  space.put({ id, created_at: new Date().toISOString(), transcript, audio: true });
  space.media.set(`${id}/audio`, { type, bytes, etag: `"${hashOf(bytes)}"` });
}

async function create({ world, space }: Place, id: string, more: object = {}): Promise<void> {
  const from = { type: "memory-space", url: space.url, context: space.context, apiKey: "secret-key", attemptsMax: 1 };
  await world.sync.connectors.create(id, {
    ...{ from, to: { type: "memories", namespace: "tenant-a" }, media: { kinds: ["audio"] } },
    ...more,
  });
}

async function run({ world }: Place, id: string, options: object = {}) {
  const { connectors } = world.sync;
  const made = await connectors.trigger(id, { scope: "full", allowMassDelete: true, ...options, here: true });
  let last = made;
  for await (const each of connectors.watch(id, made.id)) last = each;
  return last;
}

const bytesIn = async (folder: string) =>
  (await filesIn(folder)).flatMap((path) => /\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path)?.[1] ?? []);

test("a file is fetched by the schedule's runs, named by its memory, and served to keys of its namespace alone", async () => {
  const place = await open();
  const { service, world, folder } = place;
  const bytes = Buffer.from("0123456789".repeat(20_000));
  put(place, "a", bytes);
  await create(place, "space");
  const counts = { created: 1, media: 1, bytes: bytes.length };
  const made = await run(place, "space");
  expect(made).toMatchObject({ state: "succeeded", counts });
  expect((await service.request("GET", `/v1/connectors/space/runs/${made.id}`)).json()).toMatchObject({ counts });
  const metrics = await world.sync.metrics.text();
  expect(metrics).toContain('mnemosync_connector_media_total{connector="space"} 1\n');
  expect(metrics).toContain(`mnemosync_connector_media_bytes_total{connector="space"} ${bytes.length}\n`);
  const memory = await world.sync.get("memory-space/a", { namespace: "tenant-a" });
  const [reference] = mediaOfMetadata(memory?.metadata);
  expect(reference).toEqual({
    kind: "audio",
    contentType: "audio/ogg;codecs=opus",
    bytes: bytes.length,
    sha256: hashOf(bytes),
  });
  const url = `/v1/connectors/space/media/${hashOf(bytes)}`;
  const whole = await service.request("GET", url, { key: service.keys.tenant });
  expect(whole.statusCode).toBe(200);
  expect(whole.rawPayload.equals(bytes)).toBe(true);
  expect(whole.headers).toMatchObject({
    "content-type": "audio/ogg;codecs=opus",
    "content-length": String(bytes.length),
    "x-content-type-options": "nosniff",
    "content-disposition": `attachment; filename="${hashOf(bytes).slice(0, 16)}.ogg"`,
    "accept-ranges": "bytes",
    etag: `"${hashOf(bytes)}"`,
  });
  expect(whole.headers["content-security-policy"]).toContain("sandbox");
  const part = await service.request("GET", url, { headers: { range: "bytes=5-14" } });
  expect([part.statusCode, part.body, part.headers["content-range"]]).toEqual([
    206,
    "5678901234",
    `bytes 5-14/${bytes.length}`,
  ]);
  const other = await service.request("GET", url, { headers: { range: "bytes=5-14", "if-range": '"other"' } });
  expect([other.statusCode, other.rawPayload.length]).toEqual([200, bytes.length]);
  const beyond = await service.request("GET", url, { headers: { range: `bytes=${bytes.length}-` } });
  expect([beyond.statusCode, beyond.headers["content-range"]]).toEqual([416, `bytes */${bytes.length}`]);
  const known = await service.request("GET", url, { headers: { "if-none-match": `"${hashOf(bytes)}"` } });
  expect([known.statusCode, known.body]).toEqual([304, ""]);
  expect((await service.request("HEAD", url)).body).toBe("");
  // Another tenant's key, a hash of nothing, a connector of nothing, and a name that is a path.
  await create(place, "elsewhere", { to: { type: "memories", namespace: "tenant-b" } });
  expect(await run(place, "elsewhere")).toMatchObject({ state: "succeeded" });
  for (const [key, path] of [
    [service.keys.tenant, `/v1/connectors/elsewhere/media/${hashOf(bytes)}`],
    [service.keys.admin, `/v1/connectors/space/media/${"0".repeat(64)}`],
    [service.keys.admin, `/v1/connectors/nothing/media/${hashOf(bytes)}`],
  ] as const) {
    expect((await service.request("GET", path, { key })).json()).toMatchObject({ status: 404, code: "NOT_FOUND" });
  }
  expect((await service.request("GET", `/v1/connectors/..%2F..%2Fetc/media/${hashOf(bytes)}`)).statusCode).toBe(400);
  expect((await service.request("GET", url, { key: null })).statusCode).toBe(401);
  expect(await bytesIn(folder)).toEqual([hashOf(bytes), hashOf(bytes)]);
});

test("what may hold scripts is not kept, and stands in the dead letters until it is another file", async () => {
  const place = await open();
  const { world } = place;
  put(place, "a", Buffer.from("<svg onload='steal()'>"), "image/svg+xml");
  await create(place, "space");
  expect(await run(place, "space")).toMatchObject({ state: "partial", counts: { created: 1, failed: 1 } });
  expect((await world.sync.connectors.deadLetters("space")).letters).toMatchObject([{ id: "a", code: "MEDIA" }]);
  const replay = async (dryRun: boolean) => run(place, "space", { scope: "replay", dryRun });
  const tables = async () =>
    await world.sql`
      select (select count(*)::int from mnemosync.connector_runs) as runs, (select count(*)::int from mnemosync.memory_bodies) as bodies,
             (select max(attempts)::int from mnemosync.connector_dead_letters) as attempts`;
  const before = await tables();
  expect(await replay(true)).toMatchObject({
    ...{ isDryRun: true, state: "succeeded" },
    counts: { read: 1, updated: 1, media: 0, bytes: 0 },
  });
  expect(await tables()).toEqual(before);
  expect((await world.sync.connectors.deadLetters("space")).letters).toHaveLength(1);
  const sound = Buffer.from("a sound");
  put(place, "a", sound);
  expect(await replay(false)).toMatchObject({
    state: "succeeded",
    counts: { read: 1, failed: 0, media: 1, bytes: sound.length },
  });
  expect((await world.sync.connectors.deadLetters("space")).letters).toEqual([]);
  const memory = await world.sync.get("memory-space/a", { namespace: "tenant-a" });
  expect(mediaOfMetadata(memory?.metadata)).toMatchObject([{ sha256: hashOf(sound) }]);
});

test("a file goes when no version of a memory that is kept refers to it, and another connector's stays", async () => {
  const place = await open();
  const { world, folder } = place;
  const [first, second] = [Buffer.from("first"), Buffer.from("second")];
  put(place, "a", first);
  await create(place, "space");
  await create(place, "other", { to: { type: "memories", namespace: "tenant-b" } });
  await run(place, "space");
  await run(place, "other");
  put(place, "a", second, "audio/ogg", "said anew");
  await run(place, "space");
  // The history still has the version before.
  expect((await bytesIn(join(folder, "space"))).sort()).toEqual([hashOf(first), hashOf(second)].sort());
  expect((await world.sync.connectors.media("space", hashOf(first))).bytes).toBe(first.length);
  await world.sql`delete from mnemosync.memory_bodies where namespace = 'tenant-a' and version = 1`; // As pruning does.
  await run(place, "space");
  expect(await bytesIn(join(folder, "space"))).toEqual([hashOf(second)]);
  await expect(world.sync.connectors.media("space", hashOf(first))).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await bytesIn(join(folder, "other"))).toEqual([hashOf(first)]);
  // Deleted at the service: the history keeps it, and so its file.
  place.space.items.delete("a");
  expect(await run(place, "space")).toMatchObject({ counts: { deleted: 1 } });
  expect(await bytesIn(join(folder, "space"))).toEqual([hashOf(second)]);
});

test("a connector that fetches files makes no run on a node without a folder for them, and says so", async () => {
  const place = await open();
  put(place, "a", Buffer.from("x"));
  const { world } = place;
  const from = { type: "memory-space", url: place.space.url, context: place.space.context, apiKey: "secret-key" };
  const node = new HostedNode(world);
  onTestFinished(() => node.close());
  await node.connectors.create("space", { from, media: {} });
  expect(await node.run("space")).toMatchObject({
    state: "failed",
    error: { code: "CONFIGURATION", message: expect.stringContaining("connectors.mediaDirectory") },
  });
  expect(await world.sync.get("memory-space/a")).toBeNull();
});

test("an erased memory's files are in no folder any more, whole or in part, and the receipt says who looked", async () => {
  const place = await open(true);
  const { world, space, folder, service } = place;
  const [words, half] = [Buffer.from("zanzibarite in a sound"), Buffer.alloc(200_000, "quokkaberry ")];
  put(place, "gone", words);
  put(place, "stays", Buffer.from("remainderly"));
  put(place, "cut", half);
  space.faultOf = (url) => (url.endsWith("/cut/audio") ? { kind: "half" } : null);
  await create(place, "space");
  await run(place, "space");
  const wanted = { words: ["zanzibarite", "quokkaberry", hashOf(words)], vector: unitVector(5, world.dimension) };
  const before = await findTraces(world, wanted, [], [folder]);
  expect(before.filter((trace) => trace.startsWith("a folder of files"))).toEqual([
    "a folder of files: quokkaberry",
    "a folder of files: zanzibarite",
  ]);
  // Also those of a connector that was removed since.
  await world.sync.connectors.remove("space");
  const where = { memoryId: { in: ["memory-space/gone", "memory-space/cut"] } };
  const receipt = await world.sync.erase({ where }, { namespace: "tenant-a" });
  expect(receipt).toMatchObject({ state: "complete", memories: 2 });
  expect(receipt.stores).toContainEqual(
    expect.objectContaining({ store: "connector-media", nodeId: expect.any(String), memories: 2, removed: 2 }),
  );
  expect(await findTraces(world, wanted, [], [folder])).toEqual([]);
  expect((await filesIn(folder)).filter((path) => path.includes(hashOf(words)))).toEqual([]);
  expect(await readdir(join(folder, "space", "partial"))).toEqual(["moment", "tidied"]);
  const url = `/v1/connectors/space/media/${hashOf(words)}`;
  expect((await service.request("GET", url)).statusCode).toBe(404);
  const stays = await world.sync.connectors.media("space", hashOf(Buffer.from("remainderly")));
  expect(await readFile(stays.path, "utf8")).toBe("remainderly");
});
