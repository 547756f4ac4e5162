import { closeSync, openSync, writeSync } from "node:fs";
import postgres from "postgres";
import { childrenOf } from "../../src/dev/processes.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { HashingEmbedder, MemorySynchronizer, type MnemosyncError, type SyncOutcome } from "../../src/index.ts";
import { Random } from "../support/random.ts";
import type { CallRecord, NodeAnswer, NodeCommand, NodeSettings, SeenVersion, WentBack } from "./messages.ts";

/** Goal: a load that knows what it was told. One process of the cluster; its parent kills, freezes and cuts it off. */

const settings = JSON.parse(process.env.CHAOS_NODE ?? "") as NodeSettings;
const history = openSync(settings.historyFile, "a");
const stopping = new AbortController();
let unsettled = 0;
const wentBack: WentBack[] = [];
/** Highest versions that each reader saw. */
const seenByReaders: Map<string, SeenVersion>[] = [];

/** The true time: calls are written down in it, whatever the process believes. */
const trueTime = Date.now;
let clockAheadMs = 0;
globalThis.Date = class extends Date {
  constructor(...parts: [] | ConstructorParameters<DateConstructor>) {
    super(...((parts.length === 0 ? [trueTime() + clockAheadMs] : parts) as [number]));
  }
  static override now(): number {
    return trueTime() + clockAheadMs;
  }
} as DateConstructor;

/** Beyond every deadline that the synchronizer was given: a call that is still out then has been forgotten. */
const CALL_FORGOTTEN_MS = 45_000;

function tell(answer: NodeAnswer): void {
  process.send?.(answer);
}

function record(call: CallRecord): void {
  writeSync(history, `${JSON.stringify(call)}\n`);
}

async function countUnmarked(): Promise<number> {
  const sql = postgres(settings.postgresUrl, { max: 1, onnotice: () => undefined });
  try {
    return (await sql`select 1 from mnemosync.sync_transactions where state = 'committed'`).length;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function connect(): Promise<MemorySynchronizer> {
  let sync: MemorySynchronizer | undefined;
  // The stores may be away at this very moment; a service would be started again by its supervisor.
  await pollUntil("the stores", 60_000, async () => {
    try {
      sync = await MemorySynchronizer.connect({
        postgresUrl: settings.postgresUrl,
        redisUrl: settings.redisUrl,
        nodeId: settings.nodeId,
        faiss: { directory: settings.directory, dimension: settings.dimension },
        embedder: new HashingEmbedder({ dimension: settings.dimension }),
        historyVersionsMax: 10_000,
        callTimeoutMs: 15_000,
        prepareTimeoutMs: 700,
        publishTimeoutMs: 1_500,
        publishDeadlineMs: 3_000,
        inDoubtTimeoutMs: 10_000,
        syncIntervalMs: 250,
        // The write path has to keep its promises alone: what a repair put right would hide that it did not.
        ...(settings.history
          ? {
              repairStrategy: "prefer_store",
              preferStoreOrder: ["postgres"],
              consistencyCheckIntervalMs: 1_000,
              checkerLeaseMs: 2_000,
            }
          : { repairKinds: [] }),
      });
      return true;
    } catch (error) {
      if ((error as MnemosyncError).retryable) return false;
      throw error;
    }
  });
  return sync as MemorySynchronizer;
}

async function watched<T>(call: Promise<T>): Promise<T> {
  unsettled++;
  const timer = setTimeout(() => tell({ answer: "failed", error: "a call did not settle" }), CALL_FORGOTTEN_MS);
  try {
    return await call;
  } finally {
    clearTimeout(timer);
    unsettled--;
  }
}

async function writer(sync: MemorySynchronizer, number: number): Promise<void> {
  const random = new Random(settings.seed * 1_000 + number + process.pid);
  for (let call = 0; !stopping.signal.aborted; call++) {
    const memoryId = `m${random.below(settings.keys)}`;
    const marker = random.next() < 0.1 ? null : `${settings.nodeId}-${process.pid}-${number}-${call}`;
    const base = { kind: "write" as const, memoryId, marker, beganAt: trueTime() };
    try {
      const outcome: SyncOutcome = await watched(
        marker === null
          ? sync.delete(memoryId)
          : sync.syncMemory(memoryId, { content: `chaos ${marker}`, memoryType: "episodic", metadata: { marker } }),
      );
      const { status, version, checksum } = outcome;
      record({ ...base, status, version, checksum, code: null, endedAt: trueTime() });
    } catch (error) {
      const code = (error as MnemosyncError).code ?? String(error);
      record({ ...base, status: "failed", version: 0, checksum: null, code, endedAt: trueTime() });
    }
  }
}

/** Reads through the synchronizer, and never may see a version go back. */
async function reader(sync: MemorySynchronizer): Promise<void> {
  const random = new Random(settings.seed * 7 + process.pid);
  const seen = new Map<string, SeenVersion>();
  seenByReaders.push(seen);
  while (!stopping.signal.aborted) {
    const memoryId = `m${random.below(settings.keys)}`;
    const base = { kind: "read" as const, memoryId, marker: null, beganAt: trueTime() };
    try {
      const memory = await watched(sync.get(memoryId));
      const version = memory?.version ?? 0;
      if (memory !== null) {
        const { checksum, source } = memory;
        const shown = { version, checksum, beganAt: base.beganAt, endedAt: trueTime() };
        const before = seen.get(memoryId);
        if (before !== undefined && version < before.version) wentBack.push({ ...shown, memoryId, source, before });
        seen.set(memoryId, shown);
      }
      const { checksum = null, source = null } = memory ?? {};
      const status = memory === null ? "none" : "found";
      record({ ...base, status, version, checksum, source, code: null, endedAt: trueTime() });
    } catch (error) {
      const code = (error as MnemosyncError).code ?? String(error);
      record({ ...base, status: "error", version: 0, checksum: null, code, endedAt: trueTime() });
    }
  }
}

async function hostPid(): Promise<number | null> {
  return (await childrenOf(process.pid)).at(0) ?? null;
}

/** The differences between the stores. A store that is not back yet is one, and is asked again. */
async function check(): Promise<{ backlog: number; findings: string[] }> {
  try {
    await sync.backlog.drain();
    const { backlog } = await sync.status();
    // What a crash left without a mark is not counted before it is overdue.
    const unmarked = await countUnmarked();
    const { findings } = await sync.checkConsistency({ scope: "deep" });
    const shown = findings.map((found) => `${found.memoryId} ${found.store} ${found.kind}: ${found.evidence}`);
    return { backlog: backlog.pending + backlog.dead + unmarked, findings: shown };
  } catch (error) {
    if ((error as MnemosyncError).retryable) return { backlog: 0, findings: [String(error)] };
    throw error;
  }
}

const sync = await connect();
sync.start();
const load = [
  ...Array.from({ length: settings.writers }, (_, number) => writer(sync, number)),
  reader(sync),
  reader(sync),
];

process.on("message", (message: NodeCommand) => {
  void (async () => {
    if (message.command === "settle") {
      stopping.abort();
      await Promise.all(load);
      tell({ answer: "settled", unsettled, wentBack });
    } else if (message.command === "forget") {
      for (const seen of seenByReaders) seen.clear();
    } else if (message.command === "clock") {
      clockAheadMs = message.aheadMs;
    } else if (message.command === "check") {
      tell({ answer: "checked", ...(await check()) });
    } else {
      await sync.close();
      closeSync(history);
      tell({ answer: "closed" });
      process.disconnect?.();
    }
  })().catch((error: unknown) => tell({ answer: "failed", error: String(error) }));
});
process.on("disconnect", () => process.exit(0));
tell({ answer: "ready", hostPid: await hostPid() });
