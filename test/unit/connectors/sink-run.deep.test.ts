import { readFile, writeFile } from "node:fs/promises";
import * as fc from "fast-check";
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

describe("a process that dies", { timeout: 300_000 }, () => {
  test("at any request to the server, or after it was carried out, leaves each memory there once", async () => {
    for (const when of ["before", "after"] as const) {
      for (let step = 0; ; step++) {
        await restart("1.5.4");
        for (const id of ["a", "b", "c"]) world.feed.put(id, `${id} 1`);
        await world.run();
        world.feed.put("a", "a 2");
        world.feed.delete("b");
        world.feed.put("d", "d 1");
        const abort = new AbortController();
        let requests = 0;
        // The process is gone from this request on: nothing that it would do then reaches the server or the file.
        world.server.intercept = () => {
          if (requests++ !== step) return null;
          abort.abort();
          return when === "before" ? "cut" : null;
        };
        const kept = await readFile(world.path, "utf8");
        await world.run({ signal: abort.signal });
        const hasDied = abort.signal.aborted;
        world.server.intercept = () => null;
        // What the file held before is the worst that a crash can leave of it.
        if (step % 2 === 1) await writeFile(world.path, kept);
        world.clock.advance(60_000);
        expect(await world.run()).toMatchObject({ state: "succeeded" });
        expect(world.held()).toEqual(["a 2", "c 1", "d 1"]);
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
      fc.record({ kind: fc.constantFrom("kill", "model", "cut", "run"), id: fc.constant(0), text: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...VERSIONS),
        fc.array(happening, { maxLength: 30 }),
        async (version, happenings) => {
          await restart(version);
          const queue = [...happenings];
          const next = () => {
            const now = queue.shift();
            world.server.state.modelIsDown = now?.kind === "model";
            let left = now?.kind === "cut" ? 2 : 0;
            world.server.intercept = () => (left-- > 0 ? "cut" : null);
            if (now === undefined) return;
            const id = `m${now.id}`;
            if (now.kind === "put") world.feed.put(id, `text ${now.text}`);
            if (now.kind === "private") world.feed.put(id, "private", "local_only");
            if (now.kind === "delete") world.feed.delete(id);
            if (now.kind === "forget") world.feed.forget(id);
            if (now.kind === "kill") world.server.state.kill();
          };
          while (queue.length > 0) {
            next();
            await world.run({ meanwhile: next });
          }
          next();
          await world.run();
          world.clock.advance(60_000);
          expect(await world.run()).toMatchObject({ state: "succeeded" });
          const wanted = [...world.feed.memories.values()]
            .filter(({ privacy }) => privacy === "full")
            .map(({ content }) => content);
          expect(world.held()).toEqual(wanted.sort());
        },
      ),
      { numRuns: 30 },
    );
  });
});
