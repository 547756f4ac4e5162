import type { Writable } from "node:stream";
import { sendCopyData } from "../drivers/postgres/copy-streams.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { Turns } from "../runtime/turns.ts";
import { WireBuffers } from "../runtime/wire-buffers.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { CopyEncoder } from "./copy-encoder.ts";
import { isRefusal } from "./flight-statements.ts";
import type { TransactionToken, VersionWrite, WriteAnswer } from "./write-statements.ts";
import { bodyRow, bytesOfRows, copyBodiesText, copyVersionsText, versionRow } from "./written-rows.ts";

/** Smaller chunks are written by one statement: COPY waits for two more answers, which cost what it saves at this size. */
export const COPY_ROWS_MIN = 32;

const memory = new WireBuffers();

/**
 * Writes a chunk of new memories by COPY, with the same result as `writeVersions`. The server unpacks no arrays, decodes no
 * base64 and inserts many rows into a page at once, which saves a third of its time.
 * `writes` must be in key order. For connections that send small messages at once and cannot send flights (`flyNew`): TLS.
 * After `copy_refused` the connection must not be used again: the driver may hold a stream that never settles.
 */
export async function copyVersions(
  sql: Sql,
  writes: readonly VersionWrite[],
  token: TransactionToken,
): Promise<Exclude<WriteAnswer, "raced">> {
  try {
    // postgres.js never settles the stream when COPY fails after the last byte. So the end of a COPY is not awaited: the next
    // statement reports the failure.
    // Before a stream opens: without a listener its error is uncaught.
    const narrow = await encodeVersions(writes, token);
    const wide = await encodeBodies(writes, token);
    const versions = await sql.unsafe(copyVersionsText(true)).writable();
    await send(versions, narrow);
    const bodies = await sql.unsafe(copyBodiesText(true)).writable();
    await send(bodies, wide);
    // A trigger may have skipped rows silently.
    return (await writeToken(sql, writes, token)) === writes.length ? "written" : "copy_refused";
  } catch (error) {
    if (isRefusal(error)) return "copy_refused";
    throw error;
  }
}

/** The transaction's row. @returns how many versions it has. */
async function writeToken(sql: Sql, writes: readonly VersionWrite[], token: TransactionToken): Promise<number> {
  const [namespaces, memoryIds] = keyLiterals(writes);
  const versions = arrayLiteral(writes.map(({ version }) => version));
  // In the order of the feed's index, which the planner takes then, whatever it believes about the size of the table. Each
  // body must have its narrow row: a trigger may have skipped a row of either table.
  const [row] = await sql<{ written: number }[]>`
    with token as (
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
      values (${token.transactionId}, 'committed', ${token.nodeId}, ${namespaces}::text::text[],
              ${memoryIds}::text::text[], ${versions}::text::bigint[])
    )
    select count(*)::int as written from (
      select namespace, memory_id, version from mnemosync.memory_bodies
      where xid = pg_current_xact_id() order by xid, seq limit ${writes.length + 1}::int
    ) own
    cross join lateral (
      select from mnemosync.memory_versions v
      where v.namespace = own.namespace and v.memory_id = own.memory_id and v.version = own.version offset 0
    ) narrow`;
  return row?.written ?? 0;
}

async function encodeVersions(writes: readonly VersionWrite[], token: TransactionToken): Promise<CopyEncoder> {
  const rows = new CopyEncoder(memory, bytesOfRows(writes, "facts"));
  await rows.eachInTurns(writes, new Turns(), (write) => versionRow(rows, write, token, true));
  return rows;
}

async function encodeBodies(writes: readonly VersionWrite[], token: TransactionToken): Promise<CopyEncoder> {
  const rows = new CopyEncoder(memory, bytesOfRows(writes, "bodies"));
  await rows.eachInTurns(writes, new Turns(), (write) => bodyRow(rows, write, token, true));
  return rows;
}

async function send(stream: Writable, rows: CopyEncoder): Promise<void> {
  await sendCopyData(stream, rows.end());
  rows.release();
}
