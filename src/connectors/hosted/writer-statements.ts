import type { Sql } from "../../drivers/postgres/postgres-access.ts";

/**
 * Takes a service that has one writer at a time, where the job that had it has ended or lost its node. It needs no end of its
 * own: with the job, the service is free.
 */
export async function claimWriter(sql: Sql, service: string, jobId: string): Promise<boolean> {
  const rows = await sql`
    insert into mnemosync.connector_writers as w (service, job_id) values (${service}, ${jobId})
    on conflict (service) do update set job_id = excluded.job_id
    where w.job_id = excluded.job_id or not exists (
      select from mnemosync.jobs j
      where j.id = w.job_id and j.state = 'running' and j.lease_expires_at > clock_timestamp())
    returning 1`;
  return rows.length === 1;
}
