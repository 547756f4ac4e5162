import type { FeedCursor, FeedHeader, FeedPage } from "../domain/change-source.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { feedRows, isSuperseded } from "./body-rows.ts";

/** Names the history that feed cursors belong to. */
export async function readEpoch(sql: Sql): Promise<string> {
  const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = 'store_epoch'`;
  return row?.value ?? "";
}

/**
 * Memories that changed behind `cursor`, oldest first, each at its latest version below the horizon (reading `changes`). Only
 * transactions below the oldest running one are shown: sequence numbers are given out before the commit, so a reader that
 * went by them alone would miss late committers.
 */
export async function readFeed(sql: Sql, cursor: FeedCursor, limit: number): Promise<FeedPage> {
  const headers: FeedHeader[] = [];
  let place = cursor;
  // A step looks at a bounded number of versions, however few of them are the latest of their memory.
  for (;;) {
    const step = await readFeedStep(sql, place, Math.max(limit, STEP_MIN), limit - headers.length);
    headers.push(...step.headers);
    place = step.cursor;
    if (step.isEnd || headers.length >= limit) return { headers, cursor: place };
  }
}

/** Versions that a step looks at, at least. */
const STEP_MIN = 500;

async function readFeedStep(
  sql: Sql,
  cursor: FeedCursor,
  looked: number,
  limit: number,
): Promise<FeedPage & { readonly isEnd: boolean }> {
  const rows = await sql<
    {
      namespace: string | null;
      memory_id: string;
      version: number;
      deleted: boolean;
      xid: string;
      seq: string;
      scanned: number;
      last_xid: string | null;
      last_seq: string | null;
    }[]
  >`
    with scanned as materialized (${feedRows(sql, cursor, looked)}),
    latest as materialized (
      select v.* from scanned v where not ${isSuperseded(sql)} order by v.xid, v.seq limit ${limit}
    )
    select l.namespace, l.memory_id, l.version::float8 as version, l.checksum is null as deleted, l.xid::text as xid,
           l.seq::text as seq, f.*
    from (
      select (select count(*)::int from scanned) as scanned, e.xid::text as last_xid, e.seq::text as last_seq
      from (values (1)) one left join (select xid, seq from scanned order by xid desc, seq desc limit 1) e on true
    ) f left join latest l on true
    order by l.xid, l.seq`;
  const found = rows.filter(({ namespace }) => namespace !== null);
  const facts = rows[0]!; // The facts are there whether a version is or not.
  const end = found.length >= limit ? found.at(-1) : undefined;
  return {
    headers: found.map((row) => ({
      namespace: row.namespace as string,
      memoryId: row.memory_id,
      version: row.version,
      deleted: row.deleted,
    })),
    cursor:
      end !== undefined
        ? { xid: end.xid, seq: end.seq }
        : facts.last_xid === null || facts.last_seq === null
          ? cursor
          : { xid: facts.last_xid, seq: facts.last_seq },
    isEnd: facts.scanned < looked,
  };
}

/** Signals travel on this channel; those of one database share it. */
export const FEED_CHANNEL = "mnemosync_feed";

/** What a signal is about: news for the feed's readers, or such that also stand in the queues of shared stores. */
export type FeedNews = "" | "queued";

/** Wakes the readers that listen. It says no more than that: equal signals of one transaction are one, and the feed says the rest. */
export async function signalFeed(sql: Sql, news: FeedNews = ""): Promise<void> {
  await sql`select pg_notify(${FEED_CHANNEL}, ${news})`;
}

/** The connection hears signals from now on. */
export async function beginListening(sql: Sql): Promise<void> {
  await sql`listen mnemosync_feed`;
}
