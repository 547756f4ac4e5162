import { checksumOf } from "../domain/checksum.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument, Privacy } from "../domain/memory.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { wideRow } from "../ledger/body-rows.ts";
import { currentRows, type LedgerVersion } from "../ledger/read-statements.ts";
import { redactedDocument } from "./replica-write.ts";

/** A memory of the primary as its replica should have it. */
export interface ExpectedRow extends MemoryKey {
  readonly version: number;
  readonly transactionId: string;
  /** `absent`: nothing of it may be there, or an ending at most. */
  readonly state: "alive" | "ended" | "absent";
  /** Of what may leave the primary. Null unless `alive`. */
  readonly checksum: string | null;
}

/** What the replica should have of `keys`, by key text. */
export async function readExpected(sql: Sql, keys: readonly MemoryKey[]): Promise<Map<string, ExpectedRow>> {
  const rows = await sql<
    {
      namespace: string;
      memory_id: string;
      version: number;
      tx_id: string;
      checksum: string | null;
      privacy: Privacy | null;
      redacted: string | null;
    }[]
  >`
    select v.namespace, v.memory_id, v.version::float8 as version, v.tx_id, v.checksum,
           m.document ->> 'privacy' as privacy,
           case when m.document ->> 'privacy' = 'redacted' then m.document::text end as redacted
    from ${currentRows(sql, keys)} left join lateral ${wideRow(sql)} m on true`;
  return new Map(rows.map((row) => [keyText({ namespace: row.namespace, memoryId: row.memory_id }), expected(row)]));

  function expected(row: (typeof rows)[number]): ExpectedRow {
    const base = {
      namespace: row.namespace,
      memoryId: row.memory_id,
      version: row.version,
      transactionId: row.tx_id,
    };
    if (row.checksum === null) return { ...base, state: "ended", checksum: null };
    if (row.privacy === null || row.privacy === "local_only") return { ...base, state: "absent", checksum: null };
    if (row.redacted === null) return { ...base, state: "alive", checksum: row.checksum };
    const document = redactedDocument(JSON.parse(row.redacted) as MemoryDocument);
    return { ...base, state: "alive", checksum: checksumOf(document, null) };
  }
}

export const DIFFERENCES = [
  "missing",
  "stale",
  "ahead",
  "differs",
  "unknown",
  "resurrected",
  "withheld",
  "corrupt",
] as const;

/**
 * - `missing`, `stale`, `ahead`: the replica lacks it, or has an older or a newer version.
 * - `differs`: the same version with another content.
 * - `unknown`: it is alive, and the primary does not know it; or, of a deep look, a version of its history that the primary lost.
 * - `resurrected`: it is alive, and the primary says that it has ended.
 * - `withheld`: it is alive, and must not be there at all.
 * - `corrupt`: what the replica has of it does not fit its checksum.
 */
export type Difference = (typeof DIFFERENCES)[number];

/** How a memory of the replica differs from what it should be; null: it does not. */
export function differenceOf(expected: ExpectedRow | null, found: LedgerVersion | null): Difference | null {
  const isAlive = found !== null && found.checksum !== null;
  if (expected === null) return isAlive ? "unknown" : null;
  if (expected.state === "absent") return isAlive ? "withheld" : null;
  if (expected.state === "ended") return isAlive ? (found.version > expected.version ? "ahead" : "resurrected") : null;
  if (found === null) return "missing";
  if (found.version !== expected.version) return found.version < expected.version ? "stale" : "ahead";
  if (found.transactionId !== expected.transactionId || found.checksum !== expected.checksum) return "differs";
  return null;
}

/** An id that no transaction has yet: all that is visible now was written below it. */
export async function readNewest(sql: Sql): Promise<string> {
  const [row] = await sql<{ newest: string }[]>`select pg_snapshot_xmax(pg_current_snapshot())::text as newest`;
  return row?.newest ?? "0";
}

/**
 * Whether the replica at a place lacks something below `newest`. While an older transaction is under way the feed does not show
 * yet what later ones have committed.
 */
export async function isBehind(sql: Sql, place: { xid: string; seq: string }, newest: string): Promise<boolean> {
  const [row] = await sql<{ behind: boolean }[]>`
    select pg_snapshot_xmin(pg_current_snapshot()) < ${newest}::text::xid8 or exists (
      select from mnemosync.memory_bodies b
      where (b.xid, b.seq) > (${place.xid}::text::xid8, ${place.seq}::text::bigint) and b.xid < ${newest}::text::xid8
    ) as behind`;
  return row?.behind ?? true;
}
