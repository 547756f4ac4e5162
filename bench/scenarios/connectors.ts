import { largeImport } from "../connectors/large-import.ts";
import { pipe } from "../connectors/pipe.ts";
import type { Scenario } from "../harness/scenario.ts";

/** Question: how long does a memory take from service to service, and what does a large source cost? */
export const connectors: Scenario = {
  name: "connectors",
  run: async (context) => [await pipe(context), await largeImport(context)],
};
