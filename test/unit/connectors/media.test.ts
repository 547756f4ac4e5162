import { createHash } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collectMedia } from "../../../src/connectors/media/collect-media.ts";
import { MediaFolder } from "../../../src/connectors/media/media-folder.ts";
import { isMediaType, mediaOfMetadata } from "../../../src/connectors/media/media-reference.ts";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../../src/connectors/memory-space/source.ts";
import { runSource, type SourceRunOptions } from "../../../src/connectors/run/source-run.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import type { RunRecord } from "../../../src/connectors/state/state.ts";
import { MemorySpaceServer } from "../../support/connectors/memory-space-server.ts";
import { MemoryTarget } from "../../support/connectors/memory-target.ts";

let folder: string;
let server: MemorySpaceServer;
let target: MemoryTarget;
let media: MediaFolder;
const signal = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "connector-media-"));
  server = await MemorySpaceServer.start();
  target = new MemoryTarget();
  media = new MediaFolder(join(folder, "media"));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

interface Put {
  readonly type?: string;
  readonly etag?: string;
  readonly modified?: string;
  readonly tags?: string[];
}

function put(id: string, bytes: Buffer | null, more: Put = {}): void {
  const { type = "audio/ogg;codecs=opus", etag, modified, tags = ["keep"] } = more;
  const audio = bytes !== null;
  server.put({ id, created_at: new Date().toISOString(), transcript: `text of ${id}`, audio, tags });
  if (bytes !== null)
    server.media.set(`${id}/audio`, {
      ...{ type, bytes },
      ...(etag !== undefined && { etag }),
      ...(modified !== undefined && { modified }),
    });
}

async function run(options: Partial<SourceRunOptions> = {}): Promise<RunRecord> {
  const state = await JsonState.open(join(folder, "state.json"));
  const client = new MemorySpaceClient(
    { url: server.url, context: server.context, apiKey: "secret-key" },
    { pause: async () => undefined },
  );
  const source = new MemorySpaceSource(client, { media: { kinds: ["audio", "image"], tags: ["keep"] } }, media);
  const record = await runSource({ source, target, state }, { scope: "full", ...options }, signal);
  await state.close();
  if ("running" in record) throw new Error("another run has the connector");
  return record;
}

async function letters() {
  const state = await JsonState.open(join(folder, "state.json"));
  return await state.deadLetters(10);
}

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const holder = (id: string) => ({ namespace: "default", memoryId: `memory-space/${id}` });
const audioRequests = () => server.requests.filter(({ url }) => url.endsWith("/audio"));
const stored = async () => {
  const names: string[] = [];
  for await (const { sha256 } of media.held()) names.push(sha256);
  return [...new Set(names)].sort();
};
const holdersOf = async (bytes: Buffer) => {
  const found: string[] = [];
  for await (const { memoryId } of media.holders(hashOf(bytes))) found.push(memoryId);
  return found.sort();
};
/** Downloads that are not complete. */
const partials = async () =>
  (await readdir(join(folder, "media", "partial"))).filter((name) => /^[0-9a-f]{64}$/.test(name));

describe("files of items", () => {
  test("of the chosen tags are kept by their content and named in the metadata; equal ones are kept once", async () => {
    const bytes = Buffer.from("one second of silence".repeat(1_000));
    put("a", bytes);
    put("b", bytes);
    put("c", Buffer.from("not wanted"), { tags: ["other"] });
    expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 3, failed: 0 } });
    const reference = {
      kind: "audio",
      contentType: "audio/ogg;codecs=opus",
      bytes: bytes.length,
      sha256: hashOf(bytes),
    };
    expect(target.memories.get("memory-space/a")?.metadata).toMatchObject({ media: [reference] });
    expect(target.memories.get("memory-space/c")?.metadata).not.toHaveProperty("media");
    const kept = await media.find(hashOf(bytes), holder("b"));
    expect(await readFile(kept?.path ?? "")).toEqual(bytes);
    expect(kept).toMatchObject({ contentType: "audio/ogg;codecs=opus", bytes: bytes.length });
    expect(await holdersOf(bytes)).toEqual(["memory-space/a", "memory-space/b"]);
    expect(await stored()).toEqual([hashOf(bytes)]);
    // Nothing of it is asked for again.
    const before = server.requests.length;
    await run();
    expect(server.requests.slice(before).filter(({ url }) => url.endsWith("/audio"))).toEqual([]);
  });

  test("a hash gives nobody a file whose memory does not hold it, and is no path", async () => {
    put("a", Buffer.from("secret"));
    await run();
    expect(await media.find(hashOf(Buffer.from("secret")), { namespace: "other", memoryId: "x" })).toBeNull();
    expect(await media.find("../../etc/passwd", holder("a"))).toBeNull();
    const forged = { media: [{ kind: "audio", contentType: "x", bytes: 1, sha256: "../../etc/passwd" }, 7, null] };
    expect(mediaOfMetadata(forged)).toEqual([]);
  });

  test("a download that is cut goes on where it ended, and is whole", async () => {
    const bytes = Buffer.alloc(300_000, "abcdefg");
    put("a", bytes, { etag: '"v1"' });
    let cuts = 2;
    server.faultOf = (url) => (url.endsWith("/audio") && cuts-- > 0 ? { kind: "half" } : null);
    expect(await run()).toMatchObject({ state: "succeeded" });
    expect(await stored()).toEqual([hashOf(bytes)]);
    const [, ...again] = audioRequests();
    expect(again).toHaveLength(2);
    for (const { headers } of again) expect(headers).toMatchObject({ "if-range": '"v1"' });
    expect(Number(/\d+/.exec(again.at(-1)?.headers.range ?? "")?.[0])).toBeGreaterThan(0);
  });

  test("goes on in a later run, unless the file is another one by then", async () => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "other")];
    put("a", old, { etag: '"v1"' });
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    expect(await run()).toMatchObject({ state: "partial", counts: { created: 1, failed: 1 } });
    expect(await letters()).toMatchObject([{ itemId: "a", code: "MEDIA", reason: expect.stringContaining("audio:") }]);
    server.faultOf = () => null;
    put("a", other, { etag: '"v2"' });
    expect(await run()).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
    expect(audioRequests().at(-1)?.headers.range).toBeDefined();
    expect(await stored()).toEqual([hashOf(other)]);
    expect(await letters()).toEqual([]);
    expect(await partials()).toEqual([]);
  });

  test("without a name for its content a file is begun anew: nobody could tell whether the rest is of the same one", async () => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "new")];
    put("a", old);
    let cuts = 1;
    server.faultOf = (url) => {
      if (!url.endsWith("/audio") || cuts-- <= 0) return null;
      // Of the same length, and in the middle of the download.
      setImmediate(() => put("a", other));
      return { kind: "half" };
    };
    expect(await run()).toMatchObject({ state: "succeeded" });
    expect(audioRequests().map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
    expect([[hashOf(old)], [hashOf(other)]]).toContainEqual(await stored());
  });

  test("a file's time names its content only where it is older than the answer", async () => {
    const bytes = Buffer.alloc(200_000, "x");
    const half = () => {
      let cuts = 1;
      server.faultOf = (url) => (url.endsWith("/audio") && cuts-- > 0 ? { kind: "half" } : null);
    };
    const old = new Date(Date.now() - 3_600_000).toUTCString();
    put("old", bytes, { modified: old });
    half();
    await run();
    expect(audioRequests().at(-1)?.headers).toMatchObject({ "if-range": old, range: expect.any(String) });
    server.items.delete("old");
    put("new", bytes, { modified: new Date(Date.now() + 60_000).toUTCString() });
    half();
    await run({ allowMassDelete: true });
    expect(audioRequests().at(-1)?.headers.range).toBeUndefined();
  });

  const REPLACED = [
    ["the server does not know If-Range, and the file has changed", { ignoresIfRange: true }, '"v2"'],
    ["the server does not say of which content its part is", { partsAreUnnamed: true }, '"v1"'],
    ["the server answers another range", { startsAt: (asked: number) => asked - 7 }, '"v1"'],
    ["the server answers a part, and does not say which", { saysNoRange: true }, '"v1"'],
  ] as const;
  test.each(REPLACED)("%s: the file is fetched anew, and is one file", async (_, quirks, etag) => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "other")];
    put("a", old, { etag: '"v1"' });
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await run();
    expect(await partials()).toHaveLength(1);
    server.faultOf = () => null;
    server.mediaQuirks = quirks;
    const now = etag === '"v2"' ? other : old;
    put("a", now, { etag });
    expect(await run()).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
    expect(await stored()).toEqual([hashOf(now)]);
    const kept = await media.find(hashOf(now), holder("a"));
    expect(await readFile(kept?.path ?? "")).toEqual(now);
    // Asked for the rest first, and then for all of it.
    expect(audioRequests().at(-2)?.headers.range).toBeDefined();
    expect(audioRequests().at(-1)?.headers.range).toBeUndefined();
  });

  test("a server that sends a part where the whole file was asked for is not believed", async () => {
    put("a", Buffer.alloc(1_000, "x"), { etag: '"v1"' });
    server.faultOf = (url) =>
      url.endsWith("/audio")
        ? {
            kind: "status",
            status: 206,
            headers: { "content-type": "audio/ogg", "content-range": "bytes 0-4/1000" },
            body: "xxxxx",
          }
        : null;
    expect(await run()).toMatchObject({ state: "partial", counts: { created: 1, failed: 1 } });
    expect((await letters())[0]?.reason).toContain("a part came where the whole file was asked for");
    expect(await stored()).toEqual([]);
  });

  test("a process that lost its run writes nothing more into a file that another one went on with", async () => {
    const bytes = Buffer.alloc(200_000, "x");
    put("a", bytes, { etag: '"v1"' });
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await run();
    const [name = ""] = await partials();
    const late = await open(join(folder, "media", "partial", name), "r+");
    server.faultOf = () => null;
    await run();
    await late.write(Buffer.from("late"), 0, 4, 10);
    await late.close();
    const kept = await media.find(hashOf(bytes), holder("a"));
    expect(await readFile(kept?.path ?? "")).toEqual(bytes);
  });

  test("a part that is longer than the file by now is fetched anew", async () => {
    put("a", Buffer.alloc(200_000, "x"), { etag: '"v1"' });
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await run();
    server.faultOf = () => null;
    put("a", Buffer.from("short"), { etag: '"v1"' });
    await run();
    expect(await stored()).toEqual([hashOf(Buffer.from("short"))]);
  });

  test("what is no sound, is empty or too long is not kept; the memory is, and the reason is", async () => {
    put("page", Buffer.from("<html>"), { type: "text/html" });
    put("vector", Buffer.from("<svg>"), { type: "image/svg+xml" });
    put("empty", Buffer.alloc(0));
    put("absent", null);
    server.put({ id: "absent", created_at: new Date().toISOString(), transcript: "t", audio: true, tags: ["keep"] });
    expect(await run()).toMatchObject({ state: "partial", counts: { created: 4, failed: 4 } });
    expect(target.memories.size).toBe(4);
    const reasons = Object.fromEntries((await letters()).map(({ itemId, reason }) => [itemId, reason]));
    expect(reasons).toEqual({
      page: "audio: it is text/html: expected one of audio",
      vector: "audio: it is image/svg+xml: expected one of audio",
      empty: "audio: it is empty",
      absent: "audio: the service has no such file",
    });
    expect(await stored()).toEqual([]);
    expect(isMediaType("image", "image/svg+xml")).toBe(false);
    expect(isMediaType("image", "IMAGE/JPEG; q=1")).toBe(true);
  });

  test("a key that is not taken any more ends the run", async () => {
    put("a", Buffer.from("x"));
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "status", status: 401 } : null);
    expect(await run()).toMatchObject({ state: "failed", error: { code: "AUTHENTICATION" } });
    expect(target.memories.size).toBe(0);
  });

  test("a redirect to another host is not followed: it gets neither the request nor the key", async () => {
    const other = await MemorySpaceServer.start();
    try {
      put("a", Buffer.from("x"));
      const location = `${other.url}/memory/${server.context}/a/audio`;
      server.faultOf = (url) =>
        url.endsWith("/audio") ? { kind: "status", status: 302, headers: { location } } : null;
      expect(await run()).toMatchObject({ counts: { created: 1, failed: 1 } });
      expect((await letters())[0]?.reason).toContain("redirects to");
      expect(other.requests).toEqual([]);
    } finally {
      await other.close();
    }
  });
});

describe("a collection", () => {
  const metadataOf = async (_: string, ids: readonly string[]) =>
    ids.map((id) => target.memories.get(id)?.metadata ?? null);

  test("removes what no memory refers to any more, and nothing else", async () => {
    const [shared, alone] = [Buffer.from("of two"), Buffer.from("of one")];
    put("a", shared);
    put("b", shared);
    put("c", alone);
    await run();
    expect(await collectMedia(media, metadataOf, signal)).toEqual({ files: 0, bytes: 0 });
    target.memories.delete("memory-space/a"); // Erased, say.
    expect(await collectMedia(media, metadataOf, signal)).toEqual({ files: 0, bytes: 0 });
    expect(await holdersOf(shared)).toEqual(["memory-space/b"]);
    target.memories.delete("memory-space/b");
    expect(await collectMedia(media, metadataOf, signal)).toEqual({ files: 1, bytes: shared.length });
    expect(await stored()).toEqual([hashOf(alone)]);
    const left = await readdir(join(folder, "media", hashOf(shared).slice(0, 2)));
    expect(left.filter((name) => name.startsWith(hashOf(shared)))).toEqual([]);
  });

  test("removes nothing while memories cannot be read", async () => {
    put("a", Buffer.from("x"));
    await run();
    const failing = async () => await Promise.reject(new Error("the database is away"));
    await expect(collectMedia(media, failing, signal)).rejects.toThrow("away");
    expect(await stored()).toHaveLength(1);
  });

  test("gives downloads up that nobody went on with for a week", async () => {
    put("a", Buffer.alloc(100_000), { etag: '"v1"' });
    server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await run();
    await collectMedia(media, metadataOf, signal);
    expect(await partials()).not.toEqual([]);
    await collectMedia(media, metadataOf, signal, Date.now() + 8 * 86_400_000);
    expect(await partials()).toEqual([]);
  });

  test("keeps what another process notes at the same moment", async () => {
    const bytes = Buffer.from("shared by two processes");
    const other = new MediaFolder(join(folder, "media"));
    const keep = async (folderOf: MediaFolder, id: string) => {
      const partial = await folderOf.partial(id, "audio");
      await writeFile(partial, bytes);
      await folderOf.keep(partial, "audio", "audio/ogg", holder(id));
    };
    for (let round = 0; round < 50; round++) {
      await keep(media, `a${round}`);
      const moment = (await media.moment()) ?? 0;
      const gone = { sha256: hashOf(bytes), holder: holder(`a${round}`) };
      await Promise.all([media.release(gone, moment), keep(other, `b${round}`)]);
      const kept = await media.find(hashOf(bytes), holder(`b${round}`));
      expect(await readFile(kept?.path ?? "")).toEqual(bytes);
      await media.release({ ...gone, holder: holder(`b${round}`) }, Number.POSITIVE_INFINITY);
      expect(await stored()).toEqual([]);
    }
  });

  test("does not take what was noted again after it began to look", async () => {
    put("a", Buffer.from("x"));
    await run();
    const moment = (await media.moment()) ?? 0;
    const held = { sha256: hashOf(Buffer.from("x")), holder: holder("a") };
    const note = (await readdir(join(folder, "media", held.sha256.slice(0, 2), `${held.sha256}.held`)))[0] ?? "";
    const later = new Date(moment + 1_000);
    await utimes(join(folder, "media", held.sha256.slice(0, 2), `${held.sha256}.held`, note), later, later);
    expect(await media.release(held, moment)).toBeNull();
    expect(await stored()).toEqual([held.sha256]);
  });

  test("finishes what a crash cut short: held bytes come back, others go", async () => {
    const [held, free] = [Buffer.from("held"), Buffer.from("free")];
    put("a", held);
    put("b", free);
    await run();
    const pathOf = (bytes: Buffer) => join(folder, "media", hashOf(bytes).slice(0, 2), hashOf(bytes));
    for (const bytes of [held, free]) await rename(pathOf(bytes), `${pathOf(bytes)}.going`);
    await rm(`${pathOf(free)}.held`, { recursive: true });
    expect(await media.find(hashOf(held), holder("a"))).toBeNull();
    await media.tidy(Date.now());
    expect(await readFile(pathOf(held))).toEqual(held);
    expect((await readdir(join(pathOf(free), ".."))).filter((name) => name.startsWith(hashOf(free)))).toEqual([]);
  });

  test("is made before the run ends, and is the run's reason to be partial where it fails", async () => {
    put("a", Buffer.from("x"));
    const order: string[] = [];
    const state = await JsonState.open(join(folder, "state.json"));
    const end = state.end.bind(state);
    state.end = async (record, cursor) => {
      order.push("end");
      await end(record, cursor);
    };
    const client = new MemorySpaceClient({ url: server.url, context: server.context, apiKey: "secret-key" });
    const tidy = async (): Promise<void> => {
      order.push("tidy");
      throw new Error("the disk is away");
    };
    const parts = { source: new MemorySpaceSource(client), target, state, tidy };
    expect(await runSource(parts, { scope: "full" }, signal)).toMatchObject({
      ...{ state: "partial", counts: { created: 1 }, error: { code: "INTERNAL", message: "the disk is away" } },
    });
    expect(order).toEqual(["tidy", "end"]);
    await runSource(parts, { scope: "full", dryRun: true }, signal);
    expect(order).toEqual(["tidy", "end"]);
    await state.close();
  });
});
