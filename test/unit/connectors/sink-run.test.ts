import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { VERSIONS } from "../../support/connectors/lightrag-state.ts";
import { useSinkWorlds } from "../../support/connectors/sink-world.ts";

const worlds = useSinkWorlds();

describe("a run to LightRAG", () => {
  test.each(VERSIONS)("delivers each memory once, and nothing again, at version %s", async (version) => {
    await worlds.restart(version);
    for (let index = 0; index < 40; index++) worlds.current.feed.put(`m${index}`, "the same content");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { read: 40, created: 40 } });
    expect(worlds.current.held()).toHaveLength(40);
    expect(worlds.current.inserts()).toBe(40);
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { read: 0, created: 0 } });
    expect(worlds.current.inserts()).toBe(40);
  });

  test.each(VERSIONS)("replaces what changed, and removes what ended, at version %s", async (version) => {
    await worlds.restart(version);
    for (const id of ["a", "b", "c"]) worlds.current.feed.put(id, `${id} 1`);
    await worlds.current.run();
    worlds.current.feed.put("a", "a 2");
    worlds.current.feed.delete("b");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { updated: 1, deleted: 1 } });
    expect(worlds.current.held()).toEqual(["a 2", "c 1"]);
    worlds.current.feed.put("a", "a 1");
    worlds.current.feed.put("b", "b 1");
    await worlds.current.run();
    expect(worlds.current.held()).toEqual(["a 1", "b 1", "c 1"]);
  });

  test.each([0, -1, 1.5, 1_001])(
    "with %s texts in flight is refused, where it would never end",
    async (inFlightMax) => {
      worlds.current.feed.put("a", "text");
      await expect(worlds.current.run({ inFlightMax })).rejects.toMatchObject({
        code: "VALIDATION",
        path: "inFlightMax",
      });
      expect(worlds.current.inserts()).toBe(0);
      expect(await worlds.current.run({ inFlightMax: 1 })).toMatchObject({ counts: { created: 1 } });
    },
  );

  test("sends nothing where a new version has the same text", async () => {
    worlds.current.feed.put("a", "same");
    await worlds.current.run();
    worlds.current.feed.put("a", "same");
    expect(await worlds.current.run()).toMatchObject({ counts: { read: 1, unchanged: 1, updated: 0 } });
    expect(worlds.current.inserts()).toBe(1);
  });

  test("sends all again once the transform is another one", async () => {
    worlds.current.feed.put("a", "text");
    await worlds.current.run();
    worlds.current.feed.put("a", "text");
    await worlds.current.run({ transform: "standard" });
    expect(worlds.current.held()).toEqual(["text\n\ntype: episodic"]);
  });

  test("never sends what is private, and removes what becomes so", async () => {
    worlds.current.feed.put("a", "open");
    worlds.current.feed.put("b", "secret", "local_only");
    worlds.current.feed.put("c", "withheld", "redacted");
    await worlds.current.run();
    worlds.current.feed.put("a", "now secret", "local_only");
    await worlds.current.run();
    expect(worlds.current.held()).toEqual([]);
    expect(worlds.current.inserts()).toBe(1);
  });

  test("delivers an edit that comes while the one before is on its way", async () => {
    worlds.current.feed.put("a", "one");
    let edits = 0;
    await worlds.current.run({ meanwhile: () => edits++ === 0 && worlds.current.feed.put("a", "two") });
    await worlds.current.run();
    expect(worlds.current.held()).toEqual(["two"]);
  });

  test("takes what happened while a text was on its way, once that is settled", async () => {
    worlds.current.feed.put("edited", "one");
    worlds.current.feed.put("deleted", "one");
    await worlds.current.stopOnceSent();
    worlds.current.feed.put("edited", "two");
    worlds.current.feed.delete("deleted");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
    worlds.current.clock.advance(60_000);
    expect(worlds.current.held()).toEqual(["two"]);
  });

  test("keeps the version before where the server refuses the new one at once, and removes it with the next one", async () => {
    worlds.current.feed.put("a", "one");
    await worlds.current.run();
    worlds.current.feed.put("a", "two");
    worlds.current.server.intercept = (_, path) =>
      path === "/documents/text" ? { status: 413, body: { detail: "too large" } } : null;
    expect(await worlds.current.run()).toMatchObject({ state: "partial", counts: { failed: 1 } });
    worlds.current.server.intercept = () => null;
    expect(worlds.current.held()).toEqual(["one"]);
    worlds.current.feed.put("a", "three");
    await worlds.current.run();
    expect(worlds.current.held()).toEqual(["three"]);
  });

  test("ends with an error where the ledger lacks what the feed told, once all else is sent", async () => {
    const { feed } = worlds.current;
    feed.put("lacking", "one");
    const before = feed.memories.get("lacking");
    if (before === undefined) throw new Error("it was not put");
    feed.put("lacking", "two");
    feed.put("there", "there");
    feed.memories.set("lacking", before);
    expect(await worlds.current.run()).toMatchObject({
      state: "failed",
      counts: { created: 1 },
      error: {
        code: "NOT_FOUND",
        message: expect.stringContaining("version 2 of memory default/lacking, and the ledger has version 1"),
      },
    });
    expect(worlds.current.held()).toEqual(["there"]);
    feed.memories.set("lacking", { ...before, version: 2, content: "two" });
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(worlds.current.held()).toEqual(["there", "two"]);
  });

  test("waits for a version that the ledger shows a minute later", async () => {
    const { feed, clock } = worlds.current;
    feed.put("late", "one");
    const before = feed.memories.get("late");
    if (before === undefined) throw new Error("it was not put");
    feed.put("late", "two");
    feed.memories.set("late", before);
    const shownAt = clock.now() + 60_000;
    const meanwhile = () => {
      if (clock.now() >= shownAt) feed.memories.set("late", { ...before, version: 2, content: "two" });
    };
    expect(await worlds.current.run({ meanwhile })).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(worlds.current.held()).toEqual(["two"]);
  });

  test("removes what the ledger lost when it went back", async () => {
    for (const id of ["a", "b", "c"]) worlds.current.feed.put(id, id);
    await worlds.current.run();
    worlds.current.feed.forget("b");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { deleted: 1 } });
    expect(worlds.current.held()).toEqual(["a", "c"]);
  });

  test("sends what the ledger has, where it went back and has another text under the same version since", async () => {
    const { feed } = worlds.current;
    for (const id of ["on its way", "delivered"]) feed.put(id, `${id}, lost`);
    for (const id of ["on its way", "delivered"]) {
      await (id === "delivered" ? worlds.current.run() : worlds.current.stopOnceSent());
      feed.forget(id);
      feed.put(id, `${id}, kept`);
      expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
    }
    expect(worlds.current.held()).toEqual(["delivered, kept", "on its way, kept"]);
    expect(worlds.current.inserts()).toBe(4);
  });

  test.each(VERSIONS)(
    "takes no text of a lost past for its own, where its state went back too, at version %s",
    async (version) => {
      await worlds.restart(version);
      const { feed, path } = worlds.current;
      feed.put("a", "one");
      await worlds.current.run();
      const kept = await readFile(path, "utf8");
      feed.put("a", "two, lost");
      feed.put("b", "new, lost");
      await worlds.current.run();
      await writeFile(path, kept);
      feed.forget("a");
      feed.forget("b");
      feed.put("a", "one");
      feed.put("a", "two, kept");
      feed.put("b", "new, kept");
      expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
      expect(worlds.current.held()).toEqual(["new, kept", "two, kept"]);
    },
  );

  test.each(VERSIONS)(
    "sends again what it went back to, where the version after it was lost, at version %s",
    async (version) => {
      await worlds.restart(version);
      const { feed } = worlds.current;
      for (const id of ["a", "b"]) feed.put(id, `${id}, kept`);
      await worlds.current.run();
      feed.put("a", "a, lost");
      await worlds.current.stopOnceSent();
      worlds.current.server.state.kill();
      feed.forget("a");
      feed.put("a", "a, kept");
      feed.put("c", "c, new");
      expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
      expect(worlds.current.held()).toEqual(["a, kept", "b, kept", "c, new"]);
    },
  );

  test.each(VERSIONS)("sends it again, too, where it was about to be removed, at version %s", async (version) => {
    await worlds.restart(version);
    const { feed } = worlds.current;
    feed.put("a", "kept");
    await worlds.current.run();
    feed.put("a", "lost");
    const abort = new AbortController();
    // The process ends before the earlier version is removed.
    worlds.current.server.intercept = (_, path) => {
      if (path !== "/documents/delete_document") return null;
      abort.abort();
      return "cut";
    };
    await worlds.current.run({ signal: abort.signal });
    expect(worlds.current.held()).toEqual(["kept", "lost"]);
    feed.forget("a");
    feed.put("a", "kept");
    let looks = 0;
    // It works on other documents, so that the removal has to wait.
    worlds.current.server.intercept = (_, path) =>
      path === "/documents/pipeline_status" && looks++ < 3 ? { status: 200, body: { busy: true } } : null;
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
    expect(worlds.current.held()).toEqual(["kept"]);
  });

  test("sends what was written anew after it went back, where a version of before was on its way all the time", async () => {
    const { feed } = worlds.current;
    for (const id of ["never there", "deleted"]) for (const text of ["one", "lost"]) feed.put(id, `${id}, ${text}`);
    await worlds.current.stopOnceSent();
    for (const id of ["never there", "deleted"]) feed.forget(id);
    feed.delete("deleted");
    await worlds.current.stopOnceSent();
    for (const id of ["never there", "deleted"]) feed.put(id, `${id}, kept`);
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
    expect(worlds.current.held()).toEqual(["deleted, kept", "never there, kept"]);
  });

  test("sends an edit that came while the server could not process the version before", async () => {
    worlds.current.server.state.failsText = (text) => text.includes("poison");
    worlds.current.feed.put("a", "poison");
    await worlds.current.stopOnceSent();
    worlds.current.feed.put("a", "fine");
    expect(await worlds.current.run({ retriesMax: 1 })).toMatchObject({ state: "succeeded" });
    expect(worlds.current.held()).toEqual(["fine"]);
  });

  test("sends no memory that is older than what the feed told, and waits for the newer one", async () => {
    const { feed } = worlds.current;
    feed.put("a", "one");
    await worlds.current.run();
    const one = feed.memories.get("a");
    feed.put("a", "two");
    const two = feed.memories.get("a");
    let pauses = 0;
    if (one !== undefined) feed.memories.set("a", one);
    const meanwhile = () => ++pauses === 3 && two !== undefined && feed.memories.set("a", two);
    expect(await worlds.current.run({ meanwhile })).toMatchObject({ state: "succeeded" });
    expect(worlds.current.held()).toEqual(["two"]);
  });

  test("finds that the ledger went back, also where as many lost versions are queued as are read ahead", async () => {
    const { feed } = worlds.current;
    for (let index = 0; index < 100; index++) feed.put(`m${index}`, `${index} kept`);
    await worlds.current.run();
    const goBack = feed.copy();
    for (let index = 0; index < 100; index++) feed.put(`m${index}`, `${index} lost`);
    feed.before = (call) => {
      if (call === "get") throw new Error("the process ends before it sends any");
    };
    expect(await worlds.current.run()).toMatchObject({ state: "failed" });
    feed.before = () => undefined;
    goBack();
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { unchanged: 100 } });
    expect(worlds.current.inserts()).toBe(100);
  });

  test("removes what the ledger lost, also where the reading of the whole feed took several runs", async () => {
    const { feed } = worlds.current;
    for (let index = 0; index < 120; index++) feed.put(`m${index}`, `${index}`);
    await worlds.current.run();
    feed.forget("m7");
    const abort = new AbortController();
    let pages = 0;
    // The first page fails for its epoch, the second is the first of the new reading.
    feed.before = (call) => {
      if (call === "readChanges" && ++pages === 3) abort.abort();
    };
    expect(await worlds.current.run({ signal: abort.signal })).toMatchObject({ state: "cancelled" });
    feed.before = () => undefined;
    await worlds.current.run();
    expect(worlds.current.held()).toHaveLength(119);
    expect(worlds.current.held()).not.toContain("7");
  });

  test("says of a text that is too large that it is, and keeps the version before", async () => {
    worlds.current.feed.put("a", "one");
    await worlds.current.run();
    worlds.current.feed.put("a", "x".repeat(9_000_000));
    expect(await worlds.current.run()).toMatchObject({ state: "partial", counts: { failed: 1 } });
    expect(worlds.current.held()).toEqual(["one"]);
  });

  test("sends again what the server lost after it was delivered", async () => {
    for (const id of ["a", "b"]) worlds.current.feed.put(id, id);
    await worlds.current.run();
    const [lost] = worlds.current.server.state.documents.keys();
    worlds.current.server.state.documents.delete(lost ?? "");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(worlds.current.held()).toEqual(["a", "b"]);
  });

  test("ends partial where a text can never be processed, keeps the version before, and delivers a corrected one", async () => {
    worlds.current.server.state.failsText = (text) => text.includes("poison");
    worlds.current.feed.put("a", "good");
    worlds.current.feed.put("b", "poison at once");
    expect(await worlds.current.run({ retriesMax: 1 })).toMatchObject({
      state: "partial",
      counts: { created: 1, failed: 1 },
    });
    worlds.current.feed.put("a", "poison later");
    await worlds.current.run({ retriesMax: 1 });
    expect(worlds.current.held()).toEqual(["good"]);
    worlds.current.feed.put("a", "better");
    worlds.current.feed.put("b", "fine");
    expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
    expect(worlds.current.held()).toEqual(["better", "fine"]);
  });

  test("fails with the server's reason where it refuses the key, and loses nothing", async () => {
    worlds.current.feed.put("a", "text");
    worlds.current.server.intercept = () => ({ status: 403, body: { detail: "API Key required" } });
    expect(await worlds.current.run()).toMatchObject({ state: "failed", error: { code: "AUTHENTICATION" } });
    worlds.current.server.intercept = () => null;
    await worlds.current.run();
    expect(worlds.current.held()).toEqual(["text"]);
  });

  test("ends as cancelled when it is told to, and the next one goes on", async () => {
    for (let index = 0; index < 20; index++) worlds.current.feed.put(`m${index}`, `${index}`);
    const abort = new AbortController();
    expect(await worlds.current.run({ signal: abort.signal, meanwhile: () => abort.abort() })).toMatchObject({
      state: "cancelled",
    });
    await worlds.current.run();
    expect(worlds.current.held()).toHaveLength(20);
  });
});
