import type { Sql } from "../drivers/postgres/postgres-access.ts";

/**
 * Runs `work` without the session's time-outs: building an index concurrently takes as long as it takes, and waits for
 * transactions of others, for which the lock time-out counts too. The signal of the connection still ends it.
 */
export async function withoutTimeouts(sql: Sql, work: () => Promise<void>): Promise<void> {
  const [before] = await sql<{ statement: string; lock: string }[]>`
    select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`;
  const set = (statement: string, lock: string) => sql`
    select set_config('statement_timeout', ${statement}, false), set_config('lock_timeout', ${lock}, false)`;
  await set("0", "0");
  try {
    await work();
  } catch (error) {
    await sql`rollback`; // Of a transaction that the work began; without one it only warns.
    throw error;
  } finally {
    await set(before?.statement ?? "0", before?.lock ?? "0");
  }
}
