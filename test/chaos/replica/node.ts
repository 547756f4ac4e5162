/** Goal: a service that replicates. One process of two; its parent kills, freezes and cuts it off. It imports types alone. */
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Log, MemorySynchronizer, MnemosyncError } from "../../../src/index.ts";
import type { TwinNodeMessage, TwinNodeSettings } from "./settings.ts";

const settings = JSON.parse(process.env.TWIN_NODE ?? "") as TwinNodeSettings;
const { MemorySynchronizer: Synchronizer } = (await import(settings.module)) as {
  MemorySynchronizer: typeof MemorySynchronizer;
};

function tell(message: TwinNodeMessage): void {
  process.send?.(message, () => undefined); // The parent may be gone.
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

async function connect(): Promise<MemorySynchronizer> {
  for (;;) {
    try {
      return await Synchronizer.connect({ ...settings.options, log });
    } catch (error) {
      // The primary may be away at this very moment; a service would be started again by its supervisor.
      if (!(error as MnemosyncError).retryable) throw error;
      await pause(200);
    }
  }
}

const sync = await connect();
sync.start();
tell({ kind: "ready" });

process.on("message", () => {
  void sync.close().then(() => {
    tell({ kind: "closed" });
    process.disconnect?.();
  });
});
process.on("disconnect", () => process.exit(0));
