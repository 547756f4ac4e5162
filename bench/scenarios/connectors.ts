import { largeImport } from "../connectors/large-import.ts";
import { pipe } from "../connectors/pipe.ts";
import { serving } from "../connectors/serving.ts";
import type { Scenario } from "../harness/scenario.ts";

/** Question: how long does a memory take from service to service, and what does a large source cost, and a service with many connectors? */
export const connectors: Scenario = {
  name: "connectors",
  run: async (context) => [await pipe(context), await largeImport(context), await serving(context)],
};
