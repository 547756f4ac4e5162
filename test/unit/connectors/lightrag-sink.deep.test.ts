import { describe, expect, test } from "vitest";
import { held, LightRagRun, nameOf, processed, textOf, wishes } from "../../support/connectors/lightrag-run.ts";
import { VERSIONS } from "../../support/connectors/lightrag-state.ts";
import fc from "../../support/properties.ts";

describe.each(VERSIONS)("at version %s", { timeout: 300_000 }, (version) => {
  test("whatever dies, and however often: each text is delivered once in the end, and what is removed stays away", async () => {
    const fault = fc.constantFrom("none", "kill", "model", "sink", "cut");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 25, size: "max" }),
        fc.integer({ min: 1, max: 25 }),
        async (faults, count) => {
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
        },
      ),
      { numRuns: 12 },
    );
  });
});
