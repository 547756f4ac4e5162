import type { Sql } from "../../drivers/postgres/postgres-access.ts";

/** A connector as metrics show it, both halves of one from service to service together. */
export interface ConnectorGauges {
  readonly connector: string;
  readonly letters: number;
  readonly failures: number;
  /** Seconds; null: no run ended well yet. */
  readonly sinceSuccess: number | null;
  readonly isRunning: boolean;
  readonly waiting: number;
}

export async function readGauges(sql: Sql): Promise<ConnectorGauges[]> {
  return await sql<ConnectorGauges[]>`
    with letters as (
      select split_part(connector, '/', 1) as connector, count(*) as letters
      from mnemosync.connector_dead_letters group by 1
    ), records as (
      select split_part(connector, '/', 1) as connector, count(*) filter (where state = 'failed') as failed,
             count(*) filter (where state in ('queued', 'sent')) as waiting
      from mnemosync.connector_records where state in ('failed', 'queued', 'sent') group by 1
    )
    select split_part(s.connector, '/', 1) as connector, max(s.failures)::int as failures,
           (coalesce(max(l.letters), 0) + coalesce(max(r.failed), 0))::int as letters,
           extract(epoch from clock_timestamp() - min(s.succeeded_at))::float8 as "sinceSuccess",
           coalesce(bool_or(j.state = 'running'), false) as "isRunning", coalesce(max(r.waiting), 0)::int as waiting
    from mnemosync.connector_states s
    left join mnemosync.jobs j on j.id = s.run_id
    left join letters l on l.connector = split_part(s.connector, '/', 1)
    left join records r on r.connector = split_part(s.connector, '/', 1)
    group by 1 order by 1`;
}
