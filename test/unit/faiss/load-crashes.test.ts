import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import type { HostConnection } from "../../../src/stores/faiss/client/host-connection.ts";
import { LedgerFollower } from "../../../src/stores/faiss/client/ledger-follower.ts";
import { resolveOptions } from "../../../src/stores/faiss/settings.ts";
import { MemorySource, recordingLog } from "./support.ts";

/** A host that dies as soon as it is to load snapshot 7, and knows of an older one. */
function dyingHost(asked: [string, unknown][]): HostConnection {
  const request = async (operation: string, args: { sequence?: number }): Promise<unknown> => {
    asked.push([operation, args.sequence]);
    if (operation === "listSnapshots") return [7, 6];
    if (operation === "outdated") return [];
    if (operation !== "loadSnapshot") return null;
    if (args.sequence === 7) throw new StoreUnavailableError("faiss", "its host process ended");
    return { outcome: "loaded", cursor: { xid: "0", seq: "0" }, createdAt: 0, live: 0 };
  };
  return { scratch: [], request } as unknown as HostConnection;
}

test("a snapshot that crashed the host twice is set aside, and the older one is loaded", async () => {
  const log = recordingLog();
  const options = resolveOptions({ directory: "/nowhere", dimension: 4 });
  const source = new MemorySource();
  const follower = new LedgerFollower(options, { source, log, random: () => 0, now: () => 0 });
  const signal = AbortSignal.timeout(60_000);
  for (let start = 1; start <= 2; start++) {
    await expect(follower.recover(dyingHost([]), true, signal)).rejects.toThrow("its host process ended");
  }
  const asked: [string, unknown][] = [];
  await follower.recover(dyingHost(asked), true, signal);
  expect(asked.filter(([operation]) => /Snapshot$/.test(operation))).toEqual([
    ["setAsideSnapshot", 7],
    ["loadSnapshot", 6],
  ]);
  expect(log.events.map(({ event }) => event)).toContain("index.snapshot_set_aside");
});
