import { createServiceLog } from "../../src/runtime/log.ts";

/** Run as a process of its own: logs far more than a pipe holds, says that it goes on, and ends once it is told to. */
const log = createServiceLog("info");
const padding = "x".repeat(1_000);
for (let number = 0; number < 4_000; number++) log.info({ number, padding }, "flood.event");
process.send?.("logged");
process.once("message", () => {
  log.info({}, "flood.last");
  process.disconnect();
});
