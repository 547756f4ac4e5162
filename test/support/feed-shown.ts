import type postgres from "postgres";
import { pollUntil } from "../../src/dev/wait.ts";

/**
 * Until the feed shows all that is committed by now. It shows nothing that may still get an earlier neighbour, and transaction numbers
 * are those of the whole server: a transaction in another file's database holds back this one's feed, too. Never called while the
 * test has a transaction open itself.
 */
export async function feedShown({ sql }: { sql: postgres.Sql }): Promise<void> {
  const [{ until }] = await sql<[{ until: string }]>`select pg_snapshot_xmax(pg_current_snapshot())::text as until`;
  await pollUntil("the feed to show all that is committed", 60_000, async () => {
    const [{ isShown }] = await sql<[{ isShown: boolean }]>`
      select pg_snapshot_xmin(pg_current_snapshot()) >= ${until}::text::xid8 as "isShown"`;
    return isShown;
  });
}
