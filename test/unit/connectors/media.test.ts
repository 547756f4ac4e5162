import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMediaType, mediaOfMetadata } from "../../../src/connectors/media/media-reference.ts";
import { hashOf, holder, MediaWorld } from "../../support/connectors/media-world.ts";
import { MemorySpaceServer } from "../../support/connectors/memory-space-server.ts";

let world: MediaWorld;

beforeEach(async () => {
  world = await MediaWorld.open();
});
afterEach(() => world.close());

describe("files of items", () => {
  test("of the chosen tags are kept by their content and named in the metadata; equal ones are kept once", async () => {
    const bytes = Buffer.from("one second of silence".repeat(1_000));
    world.put("a", bytes);
    world.put("b", bytes);
    world.put("c", Buffer.from("not wanted"), { tags: ["other"] });
    expect(await world.run()).toMatchObject({
      state: "succeeded",
      counts: { created: 3, failed: 0, media: 2, bytes: 2 * bytes.length },
    });
    const reference = {
      kind: "audio",
      contentType: "audio/ogg;codecs=opus",
      bytes: bytes.length,
      sha256: hashOf(bytes),
    };
    expect(world.target.memories.get("memory-space/a")?.metadata).toMatchObject({ media: [reference] });
    expect(world.target.memories.get("memory-space/c")?.metadata).not.toHaveProperty("media");
    const kept = await world.media.find(hashOf(bytes), holder("b"));
    expect(await readFile(kept?.path ?? "")).toEqual(bytes);
    expect(kept).toMatchObject({ contentType: "audio/ogg;codecs=opus", bytes: bytes.length });
    expect(await world.holdersOf(bytes)).toEqual(["memory-space/a", "memory-space/b"]);
    expect(await world.stored()).toEqual([hashOf(bytes)]);
    // Nothing of it is asked for again.
    const before = world.server.requests.length;
    expect(await world.run()).toMatchObject({ counts: { unchanged: 3, media: 0, bytes: 0 } });
    expect(world.server.requests.slice(before).filter(({ url }) => url.endsWith("/audio"))).toEqual([]);
  });

  test("a hash gives nobody a file whose memory does not hold it, and is no path", async () => {
    world.put("a", Buffer.from("secret"));
    await world.run();
    expect(await world.media.find(hashOf(Buffer.from("secret")), { namespace: "other", memoryId: "x" })).toBeNull();
    expect(await world.media.find("../../etc/passwd", holder("a"))).toBeNull();
    const forged = { media: [{ kind: "audio", contentType: "x", bytes: 1, sha256: "../../etc/passwd" }, 7, null] };
    expect(mediaOfMetadata(forged)).toEqual([]);
  });

  test("a download that is cut goes on where it ended, and is whole", async () => {
    const bytes = Buffer.alloc(300_000, "abcdefg");
    world.put("a", bytes, { etag: '"v1"' });
    let cuts = 2;
    world.server.faultOf = (url) => (url.endsWith("/audio") && cuts-- > 0 ? { kind: "half" } : null);
    expect(await world.run()).toMatchObject({ state: "succeeded" });
    expect(await world.stored()).toEqual([hashOf(bytes)]);
    const [, ...again] = world.audioRequests();
    expect(again).toHaveLength(2);
    for (const { headers } of again) expect(headers).toMatchObject({ "if-range": '"v1"' });
    expect(Number(/\d+/.exec(again.at(-1)?.headers.range ?? "")?.[0])).toBeGreaterThan(0);
  });

  test("goes on in a later run, unless the file is another one by then", async () => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "other")];
    world.put("a", old, { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    expect(await world.run()).toMatchObject({
      state: "partial",
      counts: { created: 1, failed: 1, media: 0, bytes: 0 },
    });
    expect(await world.letters()).toMatchObject([
      { itemId: "a", code: "MEDIA", reason: expect.stringContaining("audio:") },
    ]);
    world.server.faultOf = () => null;
    world.put("a", other, { etag: '"v2"' });
    expect(await world.run()).toMatchObject({
      state: "succeeded",
      counts: { failed: 0, media: 1, bytes: other.length },
    });
    expect(world.audioRequests().at(-1)?.headers.range).toBeDefined();
    expect(await world.stored()).toEqual([hashOf(other)]);
    expect(await world.letters()).toEqual([]);
    expect(await world.partials()).toEqual([]);
  });

  test("without a name for its content a file is begun anew: nobody could tell whether the rest is of the same one", async () => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "new")];
    world.put("a", old);
    let cuts = 1;
    world.server.faultOf = (url) => {
      if (!url.endsWith("/audio") || cuts-- <= 0) return null;
      // Of the same length, and in the middle of the download.
      setImmediate(() => world.put("a", other));
      return { kind: "half" };
    };
    expect(await world.run()).toMatchObject({ state: "succeeded" });
    expect(world.audioRequests().map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
    expect([[hashOf(old)], [hashOf(other)]]).toContainEqual(await world.stored());
  });

  test("a file's time names its content only where it is older than the answer", async () => {
    const bytes = Buffer.alloc(200_000, "x");
    const half = () => {
      let cuts = 1;
      world.server.faultOf = (url) => (url.endsWith("/audio") && cuts-- > 0 ? { kind: "half" } : null);
    };
    const old = new Date(Date.now() - 3_600_000).toUTCString();
    world.put("old", bytes, { modified: old });
    half();
    await world.run();
    expect(world.audioRequests().at(-1)?.headers).toMatchObject({ "if-range": old, range: expect.any(String) });
    world.server.items.delete("old");
    world.put("new", bytes, { modified: new Date(Date.now() + 60_000).toUTCString() });
    half();
    await world.run({ allowMassDelete: true });
    expect(world.audioRequests().at(-1)?.headers.range).toBeUndefined();
  });

  const REPLACED = [
    ["the world.server does not know If-Range, and the file has changed", { ignoresIfRange: true }, '"v2"'],
    ["the world.server does not say of which content its part is", { partsAreUnnamed: true }, '"v1"'],
    ["the world.server answers another range", { startsAt: (asked: number) => asked - 7 }, '"v1"'],
    ["the world.server answers a part, and does not say which", { saysNoRange: true }, '"v1"'],
  ] as const;
  test.each(REPLACED)("%s: the file is fetched anew, and is one file", async (_, quirks, etag) => {
    const [old, other] = [Buffer.alloc(200_000, "old"), Buffer.alloc(200_000, "other")];
    world.put("a", old, { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    expect(await world.partials()).toHaveLength(1);
    world.server.faultOf = () => null;
    world.server.mediaQuirks = quirks;
    const now = etag === '"v2"' ? other : old;
    world.put("a", now, { etag });
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
    expect(await world.stored()).toEqual([hashOf(now)]);
    const kept = await world.media.find(hashOf(now), holder("a"));
    expect(await readFile(kept?.path ?? "")).toEqual(now);
    // Asked for the rest first, and then for all of it.
    expect(world.audioRequests().at(-2)?.headers.range).toBeDefined();
    expect(world.audioRequests().at(-1)?.headers.range).toBeUndefined();
  });

  test("a world.server that sends a part where the whole file was asked for is not believed", async () => {
    world.put("a", Buffer.alloc(1_000, "x"), { etag: '"v1"' });
    world.server.faultOf = (url) =>
      url.endsWith("/audio")
        ? {
            kind: "status",
            status: 206,
            headers: { "content-type": "audio/ogg", "content-range": "bytes 0-4/1000" },
            body: "xxxxx",
          }
        : null;
    expect(await world.run()).toMatchObject({ state: "partial", counts: { created: 1, failed: 1 } });
    expect((await world.letters())[0]?.reason).toContain("a part came where the whole file was asked for");
    expect(await world.stored()).toEqual([]);
  });

  test("a process that lost its run writes nothing more into a file that another one went on with", async () => {
    const bytes = Buffer.alloc(200_000, "x");
    world.put("a", bytes, { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    const [name = ""] = await world.partials();
    const late = await open(join(world.folder, "media", "partial", name), "r+");
    world.server.faultOf = () => null;
    await world.run();
    await late.write(Buffer.from("late"), 0, 4, 10);
    await late.close();
    const kept = await world.media.find(hashOf(bytes), holder("a"));
    expect(await readFile(kept?.path ?? "")).toEqual(bytes);
  });

  test("a part that is longer than the file by now is fetched anew", async () => {
    world.put("a", Buffer.alloc(200_000, "x"), { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    world.server.faultOf = () => null;
    world.put("a", Buffer.from("short"), { etag: '"v1"' });
    await world.run();
    expect(await world.stored()).toEqual([hashOf(Buffer.from("short"))]);
  });

  test("what is no sound, is empty or too long is not kept; the memory is, and the reason is", async () => {
    world.put("page", Buffer.from("<html>"), { type: "text/html" });
    world.put("vector", Buffer.from("<svg>"), { type: "image/svg+xml" });
    world.put("empty", Buffer.alloc(0));
    world.put("absent", null);
    world.server.put({
      id: "absent",
      created_at: new Date().toISOString(),
      transcript: "t",
      audio: true,
      tags: ["keep"],
    });
    expect(await world.run()).toMatchObject({ state: "partial", counts: { created: 4, failed: 4 } });
    expect(world.target.memories.size).toBe(4);
    const reasons = Object.fromEntries((await world.letters()).map(({ itemId, reason }) => [itemId, reason]));
    expect(reasons).toEqual({
      page: "audio: it is text/html: expected one of audio",
      vector: "audio: it is image/svg+xml: expected one of audio",
      empty: "audio: it is empty",
      absent: "audio: the service has no such file",
    });
    expect(await world.stored()).toEqual([]);
    expect(isMediaType("image", "image/svg+xml")).toBe(false);
    expect(isMediaType("image", "IMAGE/JPEG; q=1")).toBe(true);
  });

  test("a key that is not taken any more ends the run", async () => {
    world.put("a", Buffer.from("x"));
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "status", status: 401 } : null);
    expect(await world.run()).toMatchObject({ state: "failed", error: { code: "AUTHENTICATION" } });
    expect(world.target.memories.size).toBe(0);
  });

  test("a redirect to another host is not followed: it gets neither the request nor the key", async () => {
    const other = await MemorySpaceServer.start();
    try {
      world.put("a", Buffer.from("x"));
      const location = `${other.url}/memory/${world.server.context}/a/audio`;
      world.server.faultOf = (url) =>
        url.endsWith("/audio") ? { kind: "status", status: 302, headers: { location } } : null;
      expect(await world.run()).toMatchObject({ counts: { created: 1, failed: 1 } });
      expect((await world.letters())[0]?.reason).toContain("redirects to");
      expect(other.requests).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
