import { appendFileSync } from "node:fs";
import { pollUntil } from "../../../src/dev/wait.ts";
import { type Log, MemorySynchronizer, type MnemosyncError } from "../../../src/index.ts";
import { type TwinNodeMessage, type TwinNodeSettings, twinOptions } from "./settings.ts";

/** Goal: a service that replicates. One process of two; its parent kills, freezes and cuts it off. */

const settings = JSON.parse(process.env.TWIN_NODE ?? "") as TwinNodeSettings;

function tell(message: TwinNodeMessage): void {
  process.send?.(message);
}

function write(level: string, fields: object, event: string): void {
  appendFileSync(settings.logFile, `${JSON.stringify({ at: Date.now(), level, event, ...fields })}\n`);
  if (event === "replica.state_changed") tell({ kind: "state", state: (fields as { to: string }).to });
}

const log: Log = {
  debug: () => undefined,
  info: (fields, event) => write("info", fields, event),
  warn: (fields, event) => write("warn", fields, event),
  error: (fields, event) => write("error", fields, event),
};

let sync: MemorySynchronizer | undefined;
// The primary may be away at this very moment; a service would be started again by its supervisor.
await pollUntil("the primary", 120_000, async () => {
  try {
    sync = await MemorySynchronizer.connect({ ...twinOptions(settings), log });
    return true;
  } catch (error) {
    if ((error as MnemosyncError).retryable) return false;
    throw error;
  }
});
sync?.start();
tell({ kind: "ready" });

process.on("message", () => {
  void sync?.close().then(() => {
    tell({ kind: "closed" });
    process.disconnect?.();
  });
});
process.on("disconnect", () => process.exit(0));
