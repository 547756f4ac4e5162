import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { VERSIONS } from "../../support/connectors/lightrag-state.ts";
import { useSinkWorlds } from "../../support/connectors/sink-world.ts";
import fc from "../../support/properties.ts";

const worlds = useSinkWorlds();

describe("a process that dies", { timeout: 300_000 }, () => {
  test("at any request to the server, or after it was carried out, leaves each memory there once", async () => {
    for (const when of ["before", "after"] as const) {
      for (let step = 0; ; step++) {
        await worlds.restart("1.5.4");
        for (const id of ["a", "b", "c"]) worlds.current.feed.put(id, `${id} 1`);
        await worlds.current.run();
        worlds.current.feed.put("a", "a 2");
        worlds.current.feed.delete("b");
        worlds.current.feed.put("d", "d 1");
        const abort = new AbortController();
        let requests = 0;
        // The process is gone from this request on: nothing that it would do then reaches the server or the file.
        worlds.current.server.intercept = () => {
          if (requests++ !== step) return null;
          abort.abort();
          return when === "before" ? "cut" : null;
        };
        const kept = await readFile(worlds.current.path, "utf8");
        await worlds.current.run({ signal: abort.signal });
        const hasDied = abort.signal.aborted;
        worlds.current.server.intercept = () => null;
        // What the file held before is the worst that a crash can leave of it.
        if (step % 2 === 1) await writeFile(worlds.current.path, kept);
        worlds.current.clock.advance(60_000);
        expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
        expect(worlds.current.held()).toEqual(["a 2", "c 1", "d 1"]);
        if (!hasDied) break;
        expect(step).toBeLessThan(200);
      }
    }
  });

  test("whatever happens to both sides: in the end the server has what the ledger has, once", async () => {
    const happening = fc.oneof(
      fc.record({
        kind: fc.constant("put" as const),
        id: fc.integer({ min: 0, max: 5 }),
        text: fc.integer({ min: 0, max: 3 }),
      }),
      fc.record({
        kind: fc.constantFrom("delete", "private", "forget"),
        id: fc.integer({ min: 0, max: 5 }),
        text: fc.constant(0),
      }),
      fc.record({
        kind: fc.constantFrom("kill", "model", "cut", "run", "stop"),
        id: fc.constant(0),
        text: fc.constant(0),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...VERSIONS),
        fc.array(happening, { maxLength: 30, size: "max" }),
        async (version, happenings) => {
          await worlds.restart(version);
          const queue = [...happenings];
          let stopping = new AbortController();
          const next = () => {
            const now = queue.shift();
            worlds.current.server.state.modelIsDown = now?.kind === "model";
            let left = now?.kind === "cut" ? 2 : 0;
            worlds.current.server.intercept = () => (left-- > 0 ? "cut" : null);
            if (now === undefined) return;
            const id = `m${now.id}`;
            if (now.kind === "put") worlds.current.feed.put(id, `text ${now.text}`);
            if (now.kind === "private") worlds.current.feed.put(id, "private", "local_only");
            if (now.kind === "delete") worlds.current.feed.delete(id);
            if (now.kind === "forget") worlds.current.feed.forget(id);
            if (now.kind === "stop") stopping.abort();
            if (now.kind === "kill") worlds.current.server.state.kill();
          };
          while (queue.length > 0) {
            next();
            stopping = new AbortController();
            await worlds.current.run({ meanwhile: next, signal: stopping.signal });
          }
          next();
          await worlds.current.run();
          worlds.current.clock.advance(60_000);
          expect(await worlds.current.run()).toMatchObject({ state: "succeeded" });
          const wanted = [...worlds.current.feed.memories.values()]
            .filter(({ privacy }) => privacy === "full")
            .map(({ content }) => content);
          expect(worlds.current.held()).toEqual(wanted.sort());
        },
      ),
      { numRuns: 30 },
    );
  });
});
