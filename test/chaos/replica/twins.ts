import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { EmbeddedServer } from "../../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../../src/dev/postgres-server.ts";
import { pollUntil } from "../../../src/dev/wait.ts";
import { type ConnectOptions, MemorySynchronizer, type MnemosyncError } from "../../../src/index.ts";
import { childProgram } from "../../support/child-program.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { ended, isLate, within } from "./look-connection.ts";
import { twinOptions } from "./settings.ts";
import { TwinNode } from "./twin-node.ts";

/** Milliseconds within which a cluster answers again: crash recovery included. */
const ANSWER_MS = 60_000;
const FILLED_MS = 120_000;

/** The ways of the nodes and of the readers to both clusters. */
export interface Ways {
  readonly nodesToPrimary: TcpProxy;
  readonly nodesToReplica: TcpProxy;
  readonly readersToPrimary: TcpProxy;
  readonly readersToReplica: TcpProxy;
}

/** Two clusters, two nodes that replicate, and what reads and writes: all of it ours to break. */
export class Twins {
  readonly folder: string;
  readonly primary: EmbeddedServer;
  readonly replica: EmbeddedServer;
  /** With the replica's files; null where none can be mounted. */
  readonly disk: SmallDisk | null;
  readonly ways: Ways;
  readonly nodes: readonly TwinNode[];
  /** What went wrong and should not have, whatever the faults. */
  readonly failures: string[] = [];
  /** Writes, and reads without the archive. Replicates nothing. */
  readonly sync: MemorySynchronizer;
  /** Reads with the archive. */
  readonly archive: MemorySynchronizer;
  readonly #program = childProgram(new URL("./node.ts", import.meta.url), "index");

  private constructor(parts: Pick<Twins, "folder" | "primary" | "replica" | "disk" | "ways" | "sync" | "archive">) {
    this.folder = parts.folder;
    this.primary = parts.primary;
    this.replica = parts.replica;
    this.disk = parts.disk;
    this.ways = parts.ways;
    this.sync = parts.sync;
    this.archive = parts.archive;
    const { nodesToPrimary, nodesToReplica } = parts.ways;
    this.nodes = ["a", "b"].map(
      (nodeId) =>
        new TwinNode(
          this.#program,
          {
            nodeId,
            module: this.#program.module,
            options: twinOptions({
              nodeId,
              primaryUrl: nodesToPrimary.through(parts.primary.url),
              replicaUrl: nodesToReplica.through(parts.replica.url),
            }),
            logFile: join(parts.folder, `${nodeId}.log`),
          },
          this.failures,
        ),
    );
  }

  static async open(log: (line: string) => void): Promise<Twins> {
    const folder = mkdtempSync(join(tmpdir(), "mnemosync-twins-"));
    const disk = SmallDisk.mount(log);
    // What a crash of the machine would take is not asked here: processes are killed, and the system keeps what they wrote.
    const settings = { fsync: "off", max_connections: 200, max_wal_size: "64MB", min_wal_size: "32MB" };
    const [primary, replica] = await Promise.all([
      startEmbeddedPostgres({ settings }),
      startEmbeddedPostgres({ settings, ...(disk !== null && { parentFolder: disk.folder }) }),
    ]);
    const [nodesToPrimary, nodesToReplica, readersToPrimary, readersToReplica] = await Promise.all([
      TcpProxy.start(primary.port),
      TcpProxy.start(replica.port),
      TcpProxy.start(primary.port),
      TcpProxy.start(replica.port),
    ]);
    const readers = {
      primaryUrl: readersToPrimary.through(primary.url),
      replicaUrl: readersToReplica.through(replica.url),
    };
    const sync = await connected(twinOptions({ nodeId: "writer", ...readers }));
    const archive = await connected(twinOptions({ nodeId: "reader", ...readers }, "expired"));
    const ways = { nodesToPrimary, nodesToReplica, readersToPrimary, readersToReplica };
    const twins = new Twins({ folder, primary, replica, disk, ways, sync, archive });
    for (const node of twins.nodes) node.start();
    await Promise.all(twins.nodes.map((node) => node.ready()));
    await pollUntil("the replica to be filled first", FILLED_MS, async () => {
      return (await sync.replica.status()).phase === "following";
    });
    return twins;
  }

  /** Runs statements in a cluster, past every fault of the ways, once it answers. */
  async inside<T>(side: "primary" | "replica", work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    let result: { readonly value: T } | null = null;
    await pollUntil(`the ${side} to answer`, ANSWER_MS, async () => {
      result = await tryInside(this[side].url, work);
      return result !== null;
    });
    return (result as unknown as { value: T }).value;
  }

  /** Ends the faults of all ways. Bytes that were held back are gone, as with a broken link. */
  async restoreWays(): Promise<void> {
    for (const way of Object.values(this.ways)) {
      way.reset();
      await way.pass();
    }
  }

  /** Ends everything. @param options.keep whether the logs of the nodes stay. */
  async close({ keep }: { keep: boolean }): Promise<void> {
    for (const node of this.nodes) {
      node.thaw();
      await node.kill();
    }
    await Promise.allSettled([this.sync.close(), this.archive.close()]);
    await Promise.allSettled(Object.values(this.ways).map((way) => way.close()));
    if (keep) {
      writeFileSync(join(this.folder, "primary.log"), this.primary.readLog());
      writeFileSync(join(this.folder, "replica.log"), this.replica.readLog());
    }
    await Promise.allSettled([this.primary.close(), this.replica.close()]);
    this.disk?.unmount();
    this.#program.close();
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** On a busy machine a new cluster may take longer than a call's deadline. */
async function connected(options: ConnectOptions): Promise<MemorySynchronizer> {
  let sync: MemorySynchronizer | null = null;
  await pollUntil("the new primary to answer", FILLED_MS, async () => {
    try {
      sync = await MemorySynchronizer.connect(options);
      return true;
    } catch (error) {
      if ((error as MnemosyncError).retryable) return false;
      throw error;
    }
  });
  return sync as unknown as MemorySynchronizer;
}

/** Whether a call failed since the server is away, starts or stops. */
export function isAway(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return /^(08|57P|CONNECT|ECONN|EPIPE|ETIMEDOUT)/.test(code);
}

/** Null: it does not answer. @throws what it refuses. */
export async function tryInside<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<{ value: T } | null> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => undefined, fetch_types: false });
  try {
    return { value: await within(ANSWER_MS, work(sql)) };
  } catch (error) {
    // The driver may never tell that an answer is lost.
    if (isAway(error) || isLate(error)) return null;
    throw error;
  } finally {
    await ended(sql);
  }
}
