import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import type { BenchContext } from "../harness/scenario.ts";
import { OurStores } from "../support/our-stores.ts";
import type { Synchronizer } from "../support/product.ts";
import { verify } from "../support/report.ts";

/** Numbers per vector. */
export const DIMENSION = 384;
const CATCH_UP_MS = 60_000;

/** A primary with its stores, and a replica on a PostgreSQL server of its own. Settings are the defaults, chunks are of 500. */
export class ReplicaPair {
  readonly stores: OurStores;
  /** Looks into the replica. */
  readonly replica: postgres.Sql;
  readonly #server: EmbeddedServer;

  private constructor(stores: OurStores, server: EmbeddedServer) {
    this.stores = stores;
    this.#server = server;
    this.replica = postgres(server.url, { max: 2, onnotice: () => undefined });
  }

  /** Both are empty, the replica has its schema, and replication is under way. */
  static async open(context: BenchContext): Promise<ReplicaPair> {
    const server = await startEmbeddedPostgres();
    try {
      const replica = { enabled: true, postgresUrl: server.url };
      const pair = new ReplicaPair(await OurStores.open(context, { dimension: DIMENSION, replica }), server);
      pair.sync.start();
      await pair.until(async () => (await pair.sync.replica.status()).phase === "following", "follows nothing");
      return pair;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  get sync(): Synchronizer {
    return this.stores.sync;
  }

  /** No change goes to the replica any more once it resolves. */
  async pause(): Promise<void> {
    await this.sync.replica.pause();
    await this.until(async () => (await this.sync.replica.status()).state === "paused", "does not pause");
  }

  /** Resolves once the replica has all that the primary has now. */
  async caughtUp(): Promise<void> {
    const [last] = await this.stores.sql`
      select b.xid::text as xid, b.seq::text as seq from mnemosync.memory_bodies b order by b.xid desc, b.seq desc limit 1`;
    if (last === undefined) return;
    const isThere = async (): Promise<boolean> => {
      const [row] = await this.replica`
        select (xid, seq) >= (${last.xid}::text::xid8, ${last.seq}::text::bigint) as there from mnemosync.replica_cursor`;
      return row?.there === true;
    };
    await this.until(isThere, "does not catch up");
  }

  /** The replica holds so many memories, and they are those of the primary. */
  async verifyHeld(count: number): Promise<void> {
    const found = await this.sync.replica.verify();
    verify(found.clean && found.checked === count, `the replica holds ${found.checked} memories of ${count}`);
  }

  async until(holds: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = performance.now() + CATCH_UP_MS; !(await holds()); ) {
      verify(performance.now() < end, `the replica ${what} within ${CATCH_UP_MS} ms`);
      await pause(5);
    }
  }

  async close(): Promise<void> {
    await this.stores.close();
    await this.replica.end({ timeout: 5 });
    await this.#server.close();
  }
}
