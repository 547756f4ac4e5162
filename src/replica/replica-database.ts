import type { FeedCursor } from "../domain/change-source.ts";
import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { migrate } from "../ledger/migrate.ts";
import { ensureIndexes } from "../ledger/optional-indexes.ts";
import { REPLICA_OF } from "../ledger/replica-marker.ts";
import type { IndexSettings } from "../ledger/settings.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";

/** The primary as its replica knows it. */
export interface PrimaryName {
  /** `sync_meta.ledger_id`. */
  readonly ledger: string;
  readonly epoch: string;
  /** The newest tombstone that it has pruned; null: none. */
  readonly pruned: FeedCursor | null;
}

/**
 * Makes a database the replica of a ledger: brings its schema up to date, and marks it. An empty database is taken, and one that is
 * this ledger's replica already.
 * @throws {ConfigurationError} It is the primary itself, a ledger of its own, or another ledger's replica.
 * @throws {StoreUnavailableError} {SchemaTooNewError}
 */
export async function prepareReplica(
  postgres: PostgresAccess,
  primary: PrimaryName,
  options: { readonly indexes: IndexSettings; readonly log: Log; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  await withDeadline(options.timeoutMs, signal, async (deadline) => {
    await migrate(postgres, deadline);
    await postgres.use(deadline, ({ sql }) => mark(sql, primary));
  });
  await ensureIndexes(postgres, options.indexes, options.log, signal);
}

async function mark(sql: Sql, { ledger, epoch, pruned }: PrimaryName): Promise<void> {
  const facts = await readMarker(sql);
  if (facts.replicaOf === ledger && facts.hasCursor) return;
  if (facts.ownLedger === ledger) {
    throw new ConfigurationError(
      "replica.postgresUrl names the primary's own database: give the replica one of its own",
    );
  }
  if (facts.replicaOf !== null && facts.replicaOf !== ledger) {
    throw new ConfigurationError(
      `replica.postgresUrl names the replica of another ledger (${facts.replicaOf}, and this one is ${ledger}): give an empty database`,
    );
  }
  if (facts.replicaOf === null && facts.isUsed) {
    throw new ConfigurationError(
      "replica.postgresUrl names a database that is a ledger of its own, with memories: give an empty database",
    );
  }
  // In one statement: a marked database without a place would be refused by everything.
  await sql`
    with marked as (
      insert into mnemosync.sync_meta (name, value) values (${REPLICA_OF}, ${ledger})
      on conflict (name) do nothing
    )
    insert into mnemosync.replica_cursor (ledger_id, feed_epoch, xid, seq, pruned_xid, pruned_seq)
    values (${ledger}, ${epoch}, '0'::xid8, 0, ${pruned?.xid ?? null}::text::xid8, ${pruned?.seq ?? null}::text::bigint)
    on conflict (only_row) do nothing`;
}

interface Marker {
  /** Null: the database is no replica. */
  readonly replicaOf: string | null;
  readonly ownLedger: string | null;
  readonly hasCursor: boolean;
  /** Whether memories were ever written. */
  readonly isUsed: boolean;
}

async function readMarker(sql: Sql): Promise<Marker> {
  const [row] = await sql<Marker[]>`
    select (select value from mnemosync.sync_meta where name = ${REPLICA_OF}) as "replicaOf",
           (select value from mnemosync.sync_meta where name = 'ledger_id') as "ownLedger",
           exists (select from mnemosync.replica_cursor) as "hasCursor",
           exists (select from mnemosync.memory_versions) or exists (select from mnemosync.sync_transactions) as "isUsed"`;
  return row as Marker;
}
