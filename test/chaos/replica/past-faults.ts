import { existsSync } from "node:fs";
import { join } from "node:path";
import { pause, pollUntil } from "../../../src/dev/wait.ts";
import { coldBackup, restoreBackup } from "../../support/postgres-past.ts";
import type { Random } from "../../support/random.ts";
import { type Model, now, type PrimaryState } from "./model.ts";
import { acceptAll, untilLate } from "./operator-faults.ts";
import type { Fault } from "./run.ts";
import type { Twins } from "./twins.ts";

/** Milliseconds of writes between a copy and its return: enough to lose some. */
function writing(random: Random): number {
  return 1_000 + random.below(4_000);
}

/** Milliseconds that the replica has to get some of what will be lost. */
const ARRIVED_MS = 8_000;
/**
 * Milliseconds within which a node notices that the primary went back, once it answers and the lease is over that the copy tells of:
 * a call under way fails, a node without the lease asks for it each five seconds, and a pass follows.
 */
const NOTICED_MS = 15_000;

const replicaRestored: Fault = {
  name: "replica restored from an older copy",
  run: async ({ twins, random, watch, passed, lost, events }) => {
    // The last one may be of another epoch, and older than pruned tombstones.
    const isOld = existsSync(join(twins.replica.folder, "backup")) && random.below(3) === 0;
    if (!isOld) {
      await coldBackup(twins.replica);
      await pause(writing(random));
    } else events.add("copy of long ago");
    await passed.look(); // What was lost meanwhile comes back.
    watch.forget();
    passed.forget();
    await restoreBackup(twins.replica);
    await acceptAll(twins);
    await lost.replicaWentBack();
    watch.forget();
    passed.forget();
  },
};

/**
 * By the runbook of docs/operations.md, "PostgreSQL went back": the services are stopped, or run on. Nothing is read meanwhile, since
 * until it is noticed a read may show what the copy lacks.
 */
const primaryRestored: Fault = {
  name: "primary restored from an older copy",
  run: async ({ twins, random, model, gate, readers, passed, lost, events, measured, complain }) => {
    await gate.close();
    await coldBackup(twins.primary);
    const copiedAt = now();
    gate.open();
    await pause(writing(random));
    await gate.close();
    const before = await epochOf(twins);
    const contents = writtenSince(model, copiedAt);
    for (const text of await lost.settle()) complain(text);
    let arrived = 0;
    await untilLate(
      pollUntil("the replica to have what will be lost", ARRIVED_MS, async () => {
        await pause(200);
        arrived = await lost.note(contents);
        return arrived > 0;
      }),
    );
    const stops = random.below(2) === 0;
    if (stops) await Promise.all(twins.nodes.map((node) => node.stop()));
    await passed.look(); // Another epoch is read from the start.
    passed.hold();
    await restoreBackup(twins.primary);
    const leaseMs = await leaseOf(twins);
    if (stops) {
      events.add("nodes stopped for a restore");
      for (const node of twins.nodes) node.start();
      await Promise.all(twins.nodes.map((node) => node.ready()));
    }
    // What nobody but its writer has seen leaves no trace, and need not be noticed.
    if (arrived > 0) {
      const answersAt = performance.now();
      await untilLate(
        pollUntil("the nodes to notice that the primary was put back", leaseMs + NOTICED_MS, async () => {
          return (await epochOf(twins)) !== before;
        }),
        (error) =>
          complain(
            `${error.message}: ${arrived} versions in the replica were lost, ${stops ? "nodes stopped" : "nodes ran on"}`,
          ),
      );
      measured.noticedMs = Math.max(measured.noticedMs, Math.round(performance.now() - answersAt));
    }
    model.reset(await readStates(twins), { copiedAt, contents: await readContents(twins) });
    for (const reader of readers) reader.forget();
    passed.release();
    gate.open();
  },
};

function writtenSince(model: Model, moment: number): Set<string> {
  const contents = new Set<string>();
  for (const id of model.ids) {
    for (const { content, beganAt, outcome } of model.entriesOf(id)) {
      if (content !== null && beganAt > moment && outcome === "done") contents.add(content);
    }
  }
  return contents;
}

async function epochOf(twins: Twins): Promise<string> {
  return await twins.inside("primary", async (sql) => {
    const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = 'store_epoch'`;
    return row?.value ?? "";
  });
}

/** Milliseconds for which a node has the lease, as the primary tells. */
async function leaseOf(twins: Twins): Promise<number> {
  return await twins.inside("primary", async (sql) => {
    const [row] = await sql<{ left: number | null }[]>`
      select max(extract(epoch from lease_expires_at - clock_timestamp()))::float8 * 1000 as left
      from mnemosync.feed_cursors where name like 'replica/%'`;
    return Math.max(0, row?.left ?? 0);
  });
}

/** Contents of all versions that the primary has. */
async function readContents(twins: Twins): Promise<Set<string>> {
  return await twins.inside("primary", async (sql) => {
    const rows = await sql<{ content: string }[]>`
      select document ->> 'content' as content from mnemosync.memory_bodies where document is not null`;
    return new Set(rows.map(({ content }) => content));
  });
}

/** What the primary holds of every memory, past the program. */
export async function readStates(twins: Twins): Promise<PrimaryState[]> {
  return await twins.inside("primary", async (sql) => [
    ...(await sql<PrimaryState[]>`
      select v.memory_id as "memoryId", b.document ->> 'content' as content, coalesce(b.document ->> 'privacy', 'full') as privacy,
             extract(epoch from b.expires_at)::float8 * 1000 as "expiresAt", coalesce(v.ended_by = 'erased', false) as "isErased",
             exists (
               select from mnemosync.erasures e
               where e.namespace = v.namespace and e.memory_id = v.memory_id and e.scrubbed_at is null
             ) as "isBeingErased"
      from mnemosync.memory_versions v
      -- What expired is known by the version before its end: an archive shows it.
      left join mnemosync.memory_bodies b
        on b.namespace = v.namespace and b.memory_id = v.memory_id
       and b.version = v.version - (v.ended_by is not distinct from 'expired')::int`),
  ]);
}

/** The restores come often: what they break is what a replica is for. */
export const PAST_FAULTS: readonly Fault[] = [
  replicaRestored,
  replicaRestored,
  replicaRestored,
  primaryRestored,
  primaryRestored,
  primaryRestored,
];
