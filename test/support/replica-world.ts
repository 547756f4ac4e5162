import postgres from "postgres";
import { expect } from "vitest";
import type { ConnectOptions, MemoryFields, MemorySynchronizer, SyncOutcome } from "../../src/index.ts";
import { postgresUrl } from "./services.ts";
import { createTestDatabase } from "./template-database.ts";
import { openWorld, type World, type WorldOptions } from "./world.ts";

type Finishing = { onTestFinished: (finish: () => Promise<void>) => void };

/** A row of either side, as text: what must be equal in both. */
export interface SideDump {
  readonly versions: string[];
  readonly bodies: string[];
}

/** A primary, and an empty database that becomes its replica. */
export class ReplicaWorld {
  readonly world: World;
  readonly replicaUrl: string;
  /** Looks into the replica, and injures it. */
  readonly replica: postgres.Sql;

  constructor(world: World, replicaUrl: string, replica: postgres.Sql) {
    this.world = world;
    this.replicaUrl = replicaUrl;
    this.replica = replica;
  }

  get sync(): MemorySynchronizer {
    return this.world.sync;
  }

  async put(memoryId: string, fields: Partial<MemoryFields>): Promise<SyncOutcome> {
    return await this.sync.syncMemory(memoryId, { content: "", memoryType: "note", ...fields });
  }

  /** Waits until the replica has all that was committed before this call. */
  async caughtUp(): Promise<void> {
    await expect
      .poll(
        async () => {
          const { phase, lag, state, reason } = await this.sync.replica.status();
          return phase === "following" && lag?.changes === 0 ? "caught up" : { phase, lag, state, reason };
        },
        { timeout: 30_000, interval: 50 },
      )
      .toBe("caught up");
  }

  /** Pauses replication, and waits until the node writes nothing more. */
  async paused(): Promise<void> {
    await this.sync.replica.pause();
    await expect.poll(async () => (await this.sync.replica.status()).state, { timeout: 60_000 }).toBe("paused");
  }

  /** What a side holds, as far as both must agree: all of it, for memories that may leave in full. */
  async dump(side: "primary" | "replica"): Promise<SideDump> {
    const sql = side === "primary" ? this.world.sql : this.replica;
    const versions = await sql<{ line: string }[]>`
      select concat_ws(' ', namespace, memory_id, version, checksum, digest, bucket, version_vector, has_embedding,
                       created_at, modified_at, deleted_at, ended_by, expires_at, tx_id) as line
      from mnemosync.memory_versions order by namespace, memory_id`;
    const bodies = await sql<{ line: string }[]>`
      select concat_ws(' ', namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id,
                       document, encode(embedding, 'hex')) as line
      from mnemosync.memory_bodies order by namespace, memory_id, version`;
    return { versions: versions.map(({ line }) => line), bodies: bodies.map(({ line }) => line) };
  }

  /** Of one memory in the replica: its row, and its bodies by version. */
  async held(memoryId: string, namespace = "default") {
    const [row] = await this.replica<{ version: number; endedBy: string | null; checksum: string | null }[]>`
      select version::int as version, ended_by as "endedBy", checksum from mnemosync.memory_versions
      where namespace = ${namespace} and memory_id = ${memoryId}`;
    const bodies = await this.replica<{ version: number; endedBy: string | null; content: string | null }[]>`
      select version::int as version, ended_by as "endedBy", document ->> 'content' as content from mnemosync.memory_bodies
      where namespace = ${namespace} and memory_id = ${memoryId} order by version`;
    return { row: row ?? null, bodies: [...bodies] };
  }
}

const TABLES = ["memory_versions", "memory_bodies", "replica_cursor", "diverged", "replica_dead_letters"];

/** Remembers the replica as it stands. @returns takes it back there. */
export async function rememberReplica({ replica }: ReplicaWorld): Promise<() => Promise<void>> {
  await replica.unsafe(
    TABLES.map((table) => `create table public.past_${table} as select * from mnemosync.${table}`).join(";"),
  );
  return async () => {
    const steps = TABLES.flatMap((table) => [
      `delete from mnemosync.${table}`,
      `insert into mnemosync.${table} select * from public.past_${table}`,
    ]);
    await replica.unsafe(steps.join(";"));
  };
}

/**
 * @param options.isEmpty whether the replica's database has no schema yet. @default false
 * @param options.via the address by which the synchronizer reaches the replica.
 * @param options.starts whether the background work is started. @default true
 */
export async function openReplicaWorld(
  t: Finishing,
  options: {
    starts?: boolean;
    isEmpty?: boolean;
    via?: (url: string) => string;
    replica?: ConnectOptions["replica"];
    world?: WorldOptions;
  } = {},
): Promise<ReplicaWorld> {
  const { starts = true, isEmpty = false, via = (url) => url, world: worldOptions = {} } = options;
  const database = await createTestDatabase(postgresUrl(), { empty: isEmpty });
  t.onTestFinished(() => database.drop());
  const replica = postgres(database.url, { max: 2, onnotice: () => undefined });
  t.onTestFinished(() => replica.end({ timeout: 1 }));
  const world = await openWorld(t, {
    faiss: false,
    redis: false,
    ...worldOptions,
    settings: {
      ...worldOptions.settings,
      replica: {
        enabled: true,
        postgresUrl: via(database.url),
        retryIntervalMs: 100,
        reconnectBackoffMs: 50,
        readTimeoutMs: 20_000,
        ...options.replica,
      },
    },
  });
  if (starts) world.sync.start();
  return new ReplicaWorld(world, database.url, replica);
}
