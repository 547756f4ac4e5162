import type { MemoryKey } from "../../domain/keys.ts";
import type { PutChange } from "../../domain/memory.ts";
import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import { LedgerCalls } from "../../ledger/bound-statements.ts";
import { FindLedger } from "../../ledger/find-ledger.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import type { SortField } from "../../ledger/sort-expression.ts";
import type { TextHit, TextQuery } from "../../ledger/text-statements.ts";
import { KnownIndexes } from "../../read/search/known-indexes.ts";
import { readArchived } from "./archived-statements.ts";
import * as replica from "./replica-statements.ts";
import type {
  ContentQuery,
  ReplicaContent,
  ReplicaHistory,
  ReplicaPage,
  ReplicaQuery,
  ReplicaReads,
  ReplicaRows,
  ReplicaStanding,
  VersionQuery,
} from "./sides.ts";

/** Reads a replica in PostgreSQL. Reads only, so that a replica on a standby can be read too. */
export class PostgresReplicaReads implements ReplicaReads {
  readonly #postgres: PostgresAccess;
  readonly #calls: LedgerCalls;
  readonly #ledger: FindLedger;
  readonly #indexes: KnownIndexes;

  /** @param callTimeoutMs milliseconds that one call may take. @param now milliseconds of a clock that never goes back. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number, now: () => number) {
    this.#postgres = postgres;
    this.#calls = new LedgerCalls(postgres, callTimeoutMs);
    this.#ledger = new FindLedger(postgres, callTimeoutMs);
    this.#indexes = new KnownIndexes(this.#ledger, now);
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.#postgres.use(signal, ({ sql }) => replica.readStanding(sql));
  }

  async standing(signal: AbortSignal): Promise<ReplicaStanding> {
    return await this.#calls.use(signal, ({ sql }) => replica.readStanding(sql));
  }

  async readRows(namespace: string, memoryIds: readonly string[], signal: AbortSignal): Promise<ReplicaRows> {
    return await this.#calls.use(signal, ({ sql }) => replica.readRows(sql, namespace, memoryIds));
  }

  async canOrder(field: SortField | null, signal: AbortSignal): Promise<boolean> {
    // Replaced versions stand in the index of the importance: what a place in it says of the primary's says nothing here.
    if (field === "importance") return false;
    return field === null || (await this.#indexes.read(signal)).orders.includes(field);
  }

  async listRows(query: ReplicaQuery, signal: AbortSignal): Promise<ReplicaPage> {
    return await this.#calls.use(signal, async ({ sql }) => {
      // By the key, or by the index of the order, whatever the planner expects; in one round trip: see `FindLedger`.
      const [, rows] = await Promise.all([
        sql.unsafe(IN_ORDER).execute(),
        replica.listStatement(sql, query).execute(),
        sql`commit`.execute(),
      ]);
      return replica.replicaPageOf(rows);
    });
  }

  async readContents(query: ContentQuery, signal: AbortSignal): Promise<readonly ReplicaContent[]> {
    return await this.#calls.use(signal, ({ sql }) => replica.readContents(sql, query));
  }

  /** Memories that expired, as their last content, by key text. */
  async readArchived(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, PutChange>> {
    return await this.#calls.use(signal, ({ sql }) => readArchived(sql, keys));
  }

  async searchText(query: TextQuery, signal: AbortSignal): Promise<readonly TextHit[] | null> {
    const { languages } = await this.#indexes.read(signal);
    return languages.includes(query.language) ? await this.#ledger.searchText(query, signal) : null;
  }

  async readHistory(key: MemoryKey, signal: AbortSignal): Promise<ReplicaHistory> {
    return await this.#calls.use(signal, ({ sql }) => replica.readReplicaHistory(sql, key));
  }

  async readVersions(query: VersionQuery, signal: AbortSignal): Promise<readonly HistoricVersion[]> {
    return await this.#calls.use(signal, ({ sql }) => replica.readReplicaVersions(sql, query));
  }
}

const IN_ORDER = [
  "begin transaction read only",
  ...["enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"].map(
    (name) => `set local ${name} = off`,
  ),
].join("; ");
