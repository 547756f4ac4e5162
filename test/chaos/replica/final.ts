import type postgres from "postgres";
import { pollUntil } from "../../../src/dev/wait.ts";
import type { Privacy } from "../../../src/index.ts";
import { acceptAll, operate } from "./operator-faults.ts";
import { readStates } from "./past-faults.ts";
import type { Run } from "./run.ts";

/** Milliseconds from the end of the faults until the replica has caught up. */
const CONVERGE_MS = 120_000;
/** Findings of one kind that are told. */
const SHOWN_MAX = 5;

interface Row {
  readonly memory_id: string;
  readonly version: string;
  readonly ended_by: string | null;
  /** All that must be the same on both sides for a memory that leaves in full. */
  readonly line: string;
}

interface Body extends Row {
  readonly privacy: Privacy | null;
  readonly has_content: boolean;
  /** Of the versions behind it, as the primary has them: what is withheld of this one too. */
  readonly strictest: number;
}

/** Waits until the replica has caught up. @returns milliseconds; null: it did not, and `complain` was told. */
export async function converge({ twins, complain }: Run): Promise<number | null> {
  const began = performance.now();
  await acceptAll(twins);
  await operate(() => twins.sync.replica.resume());
  await operate(() => twins.sync.replica.retry());
  let last = "";
  try {
    await pollUntil("the replica to catch up", CONVERGE_MS, async () => {
      const { phase, lag, deadLetters, state, leader } = await operate(() => twins.sync.replica.status());
      const erasures = await operate(() => twins.sync.erasures.list({ limit: 1_000 }));
      // One whose call failed early is taken up ten minutes later.
      const open = erasures.filter((erasure) => erasure.state === "awaiting_stores").length;
      last = JSON.stringify({ phase, lag, deadLetters, state, leader, open });
      return (
        phase === "following" &&
        lag?.changes === 0 &&
        deadLetters?.waiting === 0 &&
        deadLetters.dead === 0 &&
        open === 0
      );
    });
    return Math.round(performance.now() - began);
  } catch {
    complain(`the replica has not caught up within ${CONVERGE_MS} ms: ${last}`);
    return null;
  }
}

/** Compares both sides with each other and with what was answered, past the program and by it. */
export async function compareSides({
  twins,
  model,
  lost,
  complain,
}: Run): Promise<{ memories: number; bodies: number }> {
  const verification = await operate(() => twins.sync.replica.verify({ deep: true, timeoutMs: 120_000 }));
  if (!verification.clean) complain(`verify --deep: ${JSON.stringify(verification.findings.slice(0, SHOWN_MAX))}`);
  for (const state of await readStates(twins)) {
    const why = model.judgeState(state);
    if (why !== null) complain(`primary: ${state.memoryId}: ${why}`);
  }
  const findings: string[] = [];
  const [rows, replicaRows] = [await twins.inside("primary", readRows), byKey(await twins.inside("replica", readRows))];
  const [bodies, replicaBodies] = [
    await twins.inside("primary", readBodies),
    byKey(await twins.inside("replica", readBodies)),
  ];
  const privacies = new Map(bodies.map((body) => [keyOf(body), body.privacy]));
  for (const row of rows) {
    const found = replicaRows.get(row.memory_id);
    const privacy = privacies.get(keyOf(row)) ?? null;
    const what = rowFinding(row, privacy, found);
    if (what !== null) findings.push(`row ${row.memory_id}: ${what}: ${row.line} / ${found?.line}`);
  }
  const known = new Set(rows.map(({ memory_id }) => memory_id));
  for (const { memory_id, ended_by, line } of replicaRows.values()) {
    if (!known.has(memory_id) && ended_by === null)
      findings.push(`row ${memory_id}: the primary does not know it: ${line}`);
  }
  for (const body of bodies) {
    const found = replicaBodies.get(keyOf(body));
    const what = bodyFinding(body, found as Body | undefined);
    if (what !== null) findings.push(`body ${keyOf(body)}: ${what}: ${body.line} / ${found?.line}`);
  }
  findings.push(...(await lost.findings()));
  for (const finding of findings.slice(0, SHOWN_MAX)) complain(finding);
  if (findings.length > SHOWN_MAX) complain(`and ${findings.length - SHOWN_MAX} findings more`);
  return { memories: rows.length, bodies: bodies.length };
}

function rowFinding(row: Row, privacy: Privacy | null, found: Row | undefined): string | null {
  if (row.ended_by === null && privacy === "local_only")
    return found === undefined || found.ended_by !== null ? null : "it is local_only, and alive in the replica";
  if (row.ended_by !== null) {
    if (found === undefined) return null; // It was never there.
    if (found.version !== row.version) return "its ending is not there";
    return found.ended_by === row.ended_by ? null : "it ended otherwise";
  }
  if (found === undefined) return "it is missing";
  if (found.version !== row.version) return "it is at another version";
  if (privacy === "redacted") return found.ended_by === null ? null : "it is redacted, and has ended in the replica";
  return found.line === row.line ? null : "it differs";
}

function bodyFinding(body: Body, found: Body | undefined): string | null {
  if (body.privacy === null) return null; // An ending: of a memory that never arrived there is none.
  const strictest = Math.max(body.strictest, body.privacy === "full" ? 0 : body.privacy === "redacted" ? 1 : 2);
  if (strictest > 0) return found?.has_content ? "its content is withheld, and is in the replica" : null;
  if (found === undefined) return "this version is missing";
  return found.line === body.line ? null : "this version differs";
}

function keyOf({ memory_id, version }: Pick<Row, "memory_id" | "version">): string {
  return `${memory_id}@${version}`;
}

function byKey<One extends Row>(rows: readonly One[]): Map<string, One> {
  return new Map(rows.map((row) => ["privacy" in row ? keyOf(row) : row.memory_id, row]));
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
