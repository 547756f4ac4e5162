import postgres from "postgres";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { Feed } from "../../src/feed/feed.ts";
import { FeedSignal } from "../../src/feed/feed-signal.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { postgresUrl } from "./services.ts";
import { createTestDatabase } from "./template-database.ts";

/** Two nodes' views of the feed of one ledger. */
export interface FeedWorld {
  readonly url: string;
  readonly sql: postgres.Sql;
  readonly one: Feed;
  readonly two: Feed;
  readonly news: FeedSignal;
}

/** A ledger of its own without memories, gone when the test has ended. */
export async function openFeedWorld(t: { onTestFinished: (finish: () => Promise<void>) => void }): Promise<FeedWorld> {
  const database = await createTestDatabase(postgresUrl());
  const sql = postgres(database.url, { max: 3, onnotice: () => undefined });
  const closers: (() => Promise<unknown>)[] = [];
  const open = (): { feed: Feed; news: FeedSignal } => {
    const pool = new PostgresPool(database.url, { max: 4 });
    const news = new FeedSignal(pool, silentLog);
    const feed = new Feed({ postgres: pool, news, callTimeoutMs: 20_000, log: silentLog });
    closers.push(async () => {
      await feed.close();
      await news.close();
      await pool.close();
    });
    return { feed, news };
  };
  const [one, two] = [open(), open()];
  t.onTestFinished(async () => {
    await Promise.all(closers.map((close) => close()));
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  return { url: database.url, sql, one: one.feed, two: two.feed, news: one.news };
}

/** Gives the ledger another history, as a restore from a backup does. */
export async function changeEpoch(sql: postgres.Sql): Promise<void> {
  await sql`update mnemosync.sync_meta set value = gen_random_uuid()::text where name = 'store_epoch'`;
}
