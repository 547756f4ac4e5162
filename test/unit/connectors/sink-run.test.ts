import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LightRagVersion, VERSIONS } from "../../support/connectors/lightrag-state.ts";
import { SinkWorld } from "../../support/connectors/sink-world.ts";

let world: SinkWorld;
beforeEach(async () => {
  world = await SinkWorld.open();
});
afterEach(async () => {
  await world.close();
});

async function restart(version: LightRagVersion): Promise<void> {
  await world.close();
  world = await SinkWorld.open(version);
}

describe("a run to LightRAG", () => {
  test.each(VERSIONS)("delivers each memory once, and nothing again, at version %s", async (version) => {
    await restart(version);
    for (let index = 0; index < 40; index++) world.feed.put(`m${index}`, "the same content");
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { read: 40, created: 40 } });
    expect(world.held()).toHaveLength(40);
    expect(world.inserts()).toBe(40);
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { read: 0, created: 0 } });
    expect(world.inserts()).toBe(40);
  });

  test.each(VERSIONS)("replaces what changed, and removes what ended, at version %s", async (version) => {
    await restart(version);
    for (const id of ["a", "b", "c"]) world.feed.put(id, `${id} 1`);
    await world.run();
    world.feed.put("a", "a 2");
    world.feed.delete("b");
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { updated: 1, deleted: 1 } });
    expect(world.held()).toEqual(["a 2", "c 1"]);
    world.feed.put("a", "a 1");
    world.feed.put("b", "b 1");
    await world.run();
    expect(world.held()).toEqual(["a 1", "b 1", "c 1"]);
  });

  test("sends nothing where a new version has the same text", async () => {
    world.feed.put("a", "same");
    await world.run();
    world.feed.put("a", "same");
    expect(await world.run()).toMatchObject({ counts: { read: 1, unchanged: 1, updated: 0 } });
    expect(world.inserts()).toBe(1);
  });

  test("sends all again once the transform is another one", async () => {
    world.feed.put("a", "text");
    await world.run();
    world.feed.put("a", "text");
    await world.run({ transform: "standard" });
    expect(world.held()).toEqual(["text\n\ntype: episodic"]);
  });

  test("never sends what is private, and removes what becomes so", async () => {
    world.feed.put("a", "open");
    world.feed.put("b", "secret", "local_only");
    world.feed.put("c", "withheld", "redacted");
    await world.run();
    world.feed.put("a", "now secret", "local_only");
    await world.run();
    expect(world.held()).toEqual([]);
    expect(world.inserts()).toBe(1);
  });

  test("delivers an edit that comes while the one before is on its way", async () => {
    world.feed.put("a", "one");
    let edits = 0;
    await world.run({ meanwhile: () => edits++ === 0 && world.feed.put("a", "two") });
    await world.run();
    expect(world.held()).toEqual(["two"]);
  });

  test("takes what happened while a text was on its way, once that is settled", async () => {
    world.feed.put("edited", "one");
    world.feed.put("deleted", "one");
    await world.stopOnceSent();
    world.feed.put("edited", "two");
    world.feed.delete("deleted");
    expect(await world.run()).toMatchObject({ state: "succeeded" });
    world.clock.advance(60_000);
    expect(world.held()).toEqual(["two"]);
  });

  test("keeps the version before where the server refuses the new one at once, and removes it with the next one", async () => {
    world.feed.put("a", "one");
    await world.run();
    world.feed.put("a", "two");
    world.server.intercept = (_, path) =>
      path === "/documents/text" ? { status: 413, body: { detail: "too large" } } : null;
    expect(await world.run()).toMatchObject({ state: "partial", counts: { failed: 1 } });
    world.server.intercept = () => null;
    expect(world.held()).toEqual(["one"]);
    world.feed.put("a", "three");
    await world.run();
    expect(world.held()).toEqual(["three"]);
  });

  test("removes what the ledger lost when it went back", async () => {
    for (const id of ["a", "b", "c"]) world.feed.put(id, id);
    await world.run();
    world.feed.forget("b");
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { deleted: 1 } });
    expect(world.held()).toEqual(["a", "c"]);
  });

  test("sends again what the server lost after it was delivered", async () => {
    for (const id of ["a", "b"]) world.feed.put(id, id);
    await world.run();
    const [lost] = world.server.state.documents.keys();
    world.server.state.documents.delete(lost ?? "");
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(world.held()).toEqual(["a", "b"]);
  });

  test("ends partial where a text can never be processed, keeps the version before, and delivers a corrected one", async () => {
    world.server.state.failsText = (text) => text.includes("poison");
    world.feed.put("a", "good");
    world.feed.put("b", "poison at once");
    expect(await world.run({ retriesMax: 1 })).toMatchObject({ state: "partial", counts: { created: 1, failed: 1 } });
    world.feed.put("a", "poison later");
    await world.run({ retriesMax: 1 });
    expect(world.held()).toEqual(["good"]);
    world.feed.put("a", "better");
    world.feed.put("b", "fine");
    expect(await world.run()).toMatchObject({ state: "succeeded" });
    expect(world.held()).toEqual(["better", "fine"]);
  });

  test("fails with the server's reason where it refuses the key, and loses nothing", async () => {
    world.feed.put("a", "text");
    world.server.intercept = () => ({ status: 403, body: { detail: "API Key required" } });
    expect(await world.run()).toMatchObject({ state: "failed", error: { code: "SERVICE_FAILED" } });
    world.server.intercept = () => null;
    await world.run();
    expect(world.held()).toEqual(["text"]);
  });

  test("ends as cancelled when it is told to, and the next one goes on", async () => {
    for (let index = 0; index < 20; index++) world.feed.put(`m${index}`, `${index}`);
    const abort = new AbortController();
    expect(await world.run({ signal: abort.signal, meanwhile: () => abort.abort() })).toMatchObject({
      state: "cancelled",
    });
    await world.run();
    expect(world.held()).toHaveLength(20);
  });
});
