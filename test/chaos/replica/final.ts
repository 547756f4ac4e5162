import type postgres from "postgres";
import { pollUntil } from "../../../src/dev/wait.ts";
import type { ReadSources } from "../../../src/index.ts";
import {
  archivedOf,
  archiveFindings,
  type Body,
  type Expired,
  type ReplicaSide,
  type Row,
  type Side,
  sideFindings,
} from "./comparison.ts";
import { acceptAll, operate, untilLate } from "./operator-faults.ts";
import { readStates } from "./past-faults.ts";
import type { Run } from "./run.ts";

/** Milliseconds from the end of the faults until the replica has caught up. */
const CONVERGE_MS = 120_000;
/** Findings of one kind that are told. */
const SHOWN_MAX = 5;
/** Memories that expired which the archive is asked for, at most. */
const ARCHIVED_MAX = 100;
/** Milliseconds until reads ask the replica again, once it has caught up: it is probed each half second. */
const TAKES_PART_MS = 30_000;

/** Waits until the replica has caught up. @returns milliseconds; null: it did not, and `complain` was told. */
export async function converge({ twins, complain }: Run): Promise<number | null> {
  const began = performance.now();
  await acceptAll(twins);
  await operate(() => twins.sync.replica.resume());
  await operate(() => twins.sync.replica.retry());
  let last = "";
  try {
    await pollUntil("the replica to catch up", CONVERGE_MS, async () => {
      // First: an expiry is a change. One between the looks at the two sides would pass for a difference.
      const expiring = await twins.inside("primary", countExpiring);
      const { phase, lag, deadLetters, state, leader } = await operate(() => twins.sync.replica.status());
      const erasures = await operate(() => twins.sync.erasures.list({ limit: 1_000 }));
      // One whose call failed early is taken up ten minutes later.
      const open = erasures.filter((erasure) => erasure.state === "awaiting_stores").length;
      last = JSON.stringify({ phase, lag, deadLetters, state, leader, open, expiring });
      return (
        phase === "following" &&
        lag?.changes === 0 &&
        deadLetters?.waiting === 0 &&
        deadLetters.dead === 0 &&
        open === 0 &&
        expiring === 0
      );
    });
    return Math.round(performance.now() - began);
  } catch {
    complain(`the replica has not caught up within ${CONVERGE_MS} ms: ${last}`);
    return null;
  }
}

/** Compares both sides with each other and with what was answered, past the program and by it. */
export async function compareSides(run: Run): Promise<{ memories: number; bodies: number; archived: number }> {
  const { twins, model, lost, complain } = run;
  const verification = await operate(() => twins.sync.replica.verify({ deep: true, timeoutMs: 120_000 }));
  if (!verification.clean) complain(`verify --deep: ${JSON.stringify(verification.findings.slice(0, SHOWN_MAX))}`);
  for (const state of await readStates(twins)) {
    const why = model.judgeState(state);
    if (why !== null) complain(`primary: ${state.memoryId}: ${why}`);
  }
  const primary: Side = await twins.inside("primary", readSide);
  const replica: ReplicaSide = await twins.inside("replica", async (sql) => ({
    ...(await readSide(sql)),
    diverged: await readDiverged(sql),
  }));
  const archived = archivedOf(await twins.inside("replica", readExpired), primary.rows).slice(0, ARCHIVED_MAX);
  const findings = [
    ...sideFindings(primary, replica),
    ...archiveFindings(archived, await readArchive(run, archived)),
    ...(await lost.findings()),
  ];
  for (const finding of findings.slice(0, SHOWN_MAX)) complain(finding);
  if (findings.length > SHOWN_MAX) complain(`and ${findings.length - SHOWN_MAX} findings more`);
  return { memories: primary.rows.length, bodies: primary.bodies.length, archived: archived.length };
}

/** What the archive shows of memories, each by a read that stands on the replica too. */
async function readArchive({ twins, complain }: Run, wanted: readonly Expired[]): Promise<Map<string, string | null>> {
  const shown = new Map<string, string | null>();
  for (const { memory_id } of wanted) {
    let replica = "";
    const asked = pollUntil("a read that asks the replica", TAKES_PART_MS, async () => {
      const onSources = (sources: ReadSources): void => {
        replica = sources.replica;
      };
      const memory = await operate(() => twins.archive.get(memory_id, { onSources }));
      if (replica === "ok" && memory !== null) shown.set(memory_id, memory.content ?? null);
      return replica === "ok";
    });
    await untilLate(asked, () => complain(`archive: the replica has caught up, and is ${replica} for a read`));
    if (replica !== "ok") break;
  }
  return shown;
}

async function readSide(sql: postgres.Sql): Promise<Side> {
  return { rows: await readRows(sql), bodies: await readBodies(sql) };
}

/** Memories that are to expire: writers give them some two seconds. */
async function countExpiring(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int4 as count from mnemosync.memory_versions where ended_by is null and expires_at is not null`;
  return row?.count ?? 0;
}

async function readDiverged(sql: postgres.Sql): Promise<ReplicaSide["diverged"]> {
  return await sql<ReplicaSide["diverged"][number][]>`
    select memory_id, version::text, coalesce(document ->> 'content', '') <> '' as has_content from mnemosync.diverged`;
}

/** What expired, and left in full. */
async function readExpired(sql: postgres.Sql): Promise<Expired[]> {
  return await sql<Expired[]>`
    select v.memory_id, v.version::text, b.document ->> 'content' as content
    from mnemosync.memory_versions v
    join mnemosync.memory_bodies b
      on b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version - 1
    where v.ended_by = 'expired' and b.document ->> 'privacy' = 'full'
    order by v.memory_id`;
}

async function readRows(sql: postgres.Sql): Promise<Row[]> {
  return await sql<Row[]>`
    select memory_id, version::text, ended_by,
           concat_ws(' ', version, checksum, digest, bucket, version_vector, has_embedding, created_at, modified_at, deleted_at,
                     ended_by, expires_at, tx_id) as line
    from mnemosync.memory_versions order by memory_id`;
}

async function readBodies(sql: postgres.Sql): Promise<Body[]> {
  return await sql<Body[]>`
    select b.memory_id, b.version::text, b.ended_by, b.document ->> 'privacy' as privacy,
           coalesce(b.document ->> 'content', '') <> '' as has_content,
           concat_ws(' ', b.checksum, b.version_vector, b.modified_at, b.ended_by, b.expires_at, b.tx_id, b.document) as line,
           coalesce(max(case when b.ended_by in ('withdrawn', 'erased') or b.document ->> 'privacy' = 'local_only' then 2
                             when b.document ->> 'privacy' = 'redacted' then 1 else 0 end)
             over (partition by b.memory_id order by b.version rows between 1 following and unbounded following), 0) as strictest
    from mnemosync.memory_bodies b order by b.memory_id, b.version`;
}
