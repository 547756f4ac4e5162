import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { documentName } from "../../../src/connectors/lightrag/names.ts";
import { documentText } from "../../../src/connectors/lightrag/text.ts";
import { LightRagRun } from "../../support/connectors/lightrag-run.ts";
import { VERSIONS } from "../../support/connectors/lightrag-state.ts";

const keyOf = (memoryId: string, version = 1) => ({ connectorId: "c1", namespace: "default", memoryId, version });
const nameOf = (memoryId: string, version = 1) => documentName(keyOf(memoryId, version));
const textOf = (memoryId: string, body: string, version = 1) => documentText(keyOf(memoryId, version), body) as string;

/** Names and states of what the server holds. */
const held = (run: LightRagRun) =>
  run
    .documents()
    .map(({ name, status }) => `${name} ${status}`)
    .sort();

function wishes(count: number, body = "the same content"): Map<string, string | null> {
  return new Map(Array.from({ length: count }, (_, index) => [nameOf(`m${index}`), textOf(`m${index}`, body)]));
}

const processed = (names: Iterable<string>) => [...names].map((name) => `${name} processed`).sort();

describe.each(VERSIONS)("at version %s", { timeout: 300_000 }, (version) => {
  test("whatever dies, and however often: each text is delivered once in the end, and what is removed stays away", async () => {
    const fault = fc.constantFrom("none", "kill", "model", "sink", "cut");
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 25 }), fc.integer({ min: 1, max: 25 }), async (faults, count) => {
        const run = await LightRagRun.start(version, { retriesMax: 100 });
        try {
          await run.fulfil(new Map([[nameOf("old"), textOf("old", "old")]]));
          run.server.intercept = () => null;
          const wanted = new Map([...wishes(count), [nameOf("old"), null]]);
          await run.fulfil(wanted, (pass) => {
            const now = faults[pass] ?? "none";
            run.server.state.modelIsDown = now === "model";
            let left = now === "cut" ? 2 : 0;
            run.server.intercept = () => (left-- > 0 ? "cut" : null);
            if (now === "kill") run.server.state.kill();
            if (now === "sink") run.restartSink();
          });
          // A kill may have come after the last look: what was delivered is on the disk by then.
          expect(held(run)).toEqual(processed(wishes(count).keys()));
        } finally {
          await run.server.close();
        }
      }),
      { numRuns: 12 },
    );
  });
});
