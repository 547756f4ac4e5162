import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MediaKeeper } from "../../../src/connectors/hosted/media-keeper.ts";
import { collectMedia } from "../../../src/connectors/media/collect-media.ts";
import { MediaFolder } from "../../../src/connectors/media/media-folder.ts";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../../src/connectors/memory-space/source.ts";
import { runSource } from "../../../src/connectors/run/source-run.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import { hashOf, holder, MediaWorld } from "../../support/connectors/media-world.ts";

let world: MediaWorld;
const signal = new AbortController().signal;

beforeEach(async () => {
  world = await MediaWorld.open();
});
afterEach(() => world.close());

describe("a collection", () => {
  const metadataOf = async (_: string, ids: readonly string[]) =>
    ids.map((id) => world.target.memories.get(id)?.metadata ?? null);

  test("removes what no memory refers to any more, and nothing else", async () => {
    const [shared, alone] = [Buffer.from("of two"), Buffer.from("of one")];
    world.put("a", shared);
    world.put("b", shared);
    world.put("c", alone);
    await world.run();
    expect(await collectMedia(world.media, metadataOf, signal)).toEqual({ files: 0, bytes: 0 });
    world.target.memories.delete("memory-space/a"); // Erased, say.
    expect(await collectMedia(world.media, metadataOf, signal)).toEqual({ files: 0, bytes: 0 });
    expect(await world.holdersOf(shared)).toEqual(["memory-space/b"]);
    world.target.memories.delete("memory-space/b");
    expect(await collectMedia(world.media, metadataOf, signal)).toEqual({ files: 1, bytes: shared.length });
    expect(await world.stored()).toEqual([hashOf(alone)]);
    const left = await readdir(join(world.folder, "media", hashOf(shared).slice(0, 2)));
    expect(left.filter((name) => name.startsWith(hashOf(shared)))).toEqual([]);
  });

  test("removes nothing while memories cannot be read", async () => {
    world.put("a", Buffer.from("x"));
    await world.run();
    const failing = async () => await Promise.reject(new Error("the database is away"));
    await expect(collectMedia(world.media, failing, signal)).rejects.toThrow("away");
    expect(await world.stored()).toHaveLength(1);
  });

  test("gives downloads up that nobody went on with for a week", async () => {
    world.put("a", Buffer.alloc(100_000), { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    await collectMedia(world.media, metadataOf, signal);
    expect(await world.partials()).not.toEqual([]);
    await collectMedia(world.media, metadataOf, signal, Date.now() + 8 * 86_400_000);
    expect(await world.partials()).toEqual([]);
  });

  test("keeps what another process notes at the same moment", async () => {
    const bytes = Buffer.from("shared by two processes");
    const other = new MediaFolder(join(world.folder, "media"));
    const keep = async (folderOf: MediaFolder, id: string) => {
      const partial = await folderOf.partial(id, "audio");
      await writeFile(partial, bytes);
      await folderOf.keep(partial, "audio", "audio/ogg", holder(id));
    };
    for (let round = 0; round < 50; round++) {
      await keep(world.media, `a${round}`);
      const moment = (await world.media.moment()) ?? 0;
      const gone = { sha256: hashOf(bytes), holder: holder(`a${round}`) };
      await Promise.all([world.media.release(gone, moment), keep(other, `b${round}`)]);
      const kept = await world.media.find(hashOf(bytes), holder(`b${round}`));
      expect(await readFile(kept?.path ?? "")).toEqual(bytes);
      await world.media.release({ ...gone, holder: holder(`b${round}`) }, Number.POSITIVE_INFINITY);
      expect(await world.stored()).toEqual([]);
    }
  });

  test("does not take what was noted again after it began to look", async () => {
    world.put("a", Buffer.from("x"));
    await world.run();
    const moment = (await world.media.moment()) ?? 0;
    const held = { sha256: hashOf(Buffer.from("x")), holder: holder("a") };
    const note = (await readdir(join(world.folder, "media", held.sha256.slice(0, 2), `${held.sha256}.held`)))[0] ?? "";
    const later = new Date(moment + 1_000);
    await utimes(join(world.folder, "media", held.sha256.slice(0, 2), `${held.sha256}.held`, note), later, later);
    expect(await world.media.release(held, moment)).toBeNull();
    expect(await world.stored()).toEqual([held.sha256]);
  });

  test("finishes what a crash cut short: held bytes come back, others go", async () => {
    const [held, free] = [Buffer.from("held"), Buffer.from("free")];
    world.put("a", held);
    world.put("b", free);
    await world.run();
    for (const bytes of [held, free]) await rename(world.pathOf(bytes), `${world.pathOf(bytes)}.going`);
    await rm(`${world.pathOf(free)}.held`, { recursive: true });
    expect(await world.media.find(hashOf(held), holder("a"))).toBeNull();
    await world.media.tidy(Date.now());
    expect(await readFile(world.pathOf(held))).toEqual(held);
    expect((await readdir(join(world.pathOf(free), ".."))).filter((name) => name.startsWith(hashOf(free)))).toEqual([]);
  });

  test("is made before the run ends, and is the run's reason to be partial where it fails", async () => {
    world.put("a", Buffer.from("x"));
    const order: string[] = [];
    const state = await JsonState.open(join(world.folder, "state.json"));
    const end = state.end.bind(state);
    state.end = async (record, cursor) => {
      order.push("end");
      await end(record, cursor);
    };
    const client = new MemorySpaceClient({
      url: world.server.url,
      context: world.server.context,
      apiKey: "secret-key",
    });
    const tidy = async (): Promise<void> => {
      order.push("tidy");
      throw new Error("the disk is away");
    };
    const parts = { source: new MemorySpaceSource(client), target: world.target, state, tidy };
    expect(await runSource(parts, { scope: "full" }, signal)).toMatchObject({
      ...{ state: "partial", counts: { created: 1 }, error: { code: "INTERNAL", message: "the disk is away" } },
    });
    expect(order).toEqual(["tidy", "end"]);
    await runSource(parts, { scope: "full", dryRun: true }, signal);
    expect(order).toEqual(["tidy", "end"]);
    await state.close();
  });
});

describe("an erasure", () => {
  /** Everything in the folders of all connectors whose name begins so. */
  const filesOf = async (name: string) =>
    (await readdir(world.folder, { recursive: true })).filter((path) => path.split("/").at(-1)?.startsWith(name));

  test("finishes removals that a crash cut short, of connectors that were removed since too, before it confirms", async () => {
    const [held, unheld, going] = ["held", "unheld", "going"].map((text) => Buffer.from(text)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    for (const bytes of [held, unheld, going]) world.put(bytes.toString(), bytes);
    await world.run();
    // The notes went, and then the process did: before the bytes, or while they went.
    for (const bytes of [unheld, going]) await rm(`${world.pathOf(bytes)}.held`, { recursive: true });
    await mkdir(`${world.pathOf(unheld)}.held`);
    await rename(world.pathOf(going), `${world.pathOf(going)}.going`);
    await rename(world.pathOf(held), `${world.pathOf(held)}.going`);
    const removed = world.pathOf(unheld).replace(join(world.folder, "media"), join(world.folder, "removed"));
    await mkdir(`${removed}.held`, { recursive: true });
    await writeFile(removed, unheld);
    await new MediaKeeper(world.folder).removeErased(async () => [], signal);
    expect([await filesOf(hashOf(unheld)), await filesOf(hashOf(going))]).toEqual([[], []]);
    expect(await readFile(world.pathOf(held))).toEqual(held);
    expect(await world.media.tidiedAt()).toBeNull();
  });

  test("takes all that has arrived of a file, also what a crash left beside it", async () => {
    for (const id of ["erased", "kept"]) world.put(id, Buffer.alloc(100_000, id), { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    const [erased, kept] = await Promise.all(["erased", "kept"].map((id) => world.media.partial(id, "audio")));
    for (const path of [erased, kept]) await writeFile(`${path}.copy`, "a part of the file");
    const removed = await new MediaKeeper(world.folder).removeErased(async () => [holder("erased")], signal);
    expect(removed).toEqual([holder("erased")]);
    expect(await filesOf(basename(erased as string))).toEqual([]);
    expect(await filesOf(basename(kept as string))).toHaveLength(3);
  });

  test("is not needed for what a crash left beside a download that is given up", async () => {
    world.put("a", Buffer.alloc(100_000), { etag: '"v1"' });
    world.server.faultOf = (url) => (url.endsWith("/audio") ? { kind: "half" } : null);
    await world.run();
    const path = await world.media.partial("a", "audio");
    await writeFile(`${path}.copy`, "a part of the file");
    world.server.faultOf = () => null;
    world.put("a", Buffer.from("<html>"), { type: "text/html" });
    await world.run();
    expect(await filesOf(basename(path))).toEqual([]);
  });
});
