import { chownSync, cpSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";

/** Of the standby, in `synchronous_standby_names`. */
const STANDBY = "standby";

/** A PostgreSQL with a standby that streams from it: commits wait for the standby while `synchronous` is on. */
export class ReplicatedPostgres {
  readonly primary: EmbeddedServer;
  readonly standby: EmbeddedServer;
  /** On the primary, at first. */
  readonly url: string;

  private constructor(primary: EmbeddedServer, standby: EmbeddedServer) {
    this.primary = primary;
    this.standby = standby;
    this.url = primary.url;
  }

  /** The standby is a copy of the primary's data folder, taken while it is stopped: the packages have no pg_basebackup. */
  static async start(): Promise<ReplicatedPostgres> {
    const primary = await startEmbeddedPostgres({ settings: { fsync: "off" } });
    const { username, password } = new URL(primary.url);
    const source = `host=127.0.0.1 port=${primary.port} user=${username} password=${password} application_name=${STANDBY}`;
    const standby = await startEmbeddedPostgres({
      settings: { fsync: "off", primary_conninfo: source, wal_receiver_status_interval: "1s" },
    });
    const pair = new ReplicatedPostgres(primary, standby);
    try {
      await Promise.all([primary.stop(), standby.stop()]);
      copyData(primary, standby);
      await primary.start();
      await standby.start();
      await pair.untilStreaming();
      return pair;
    } catch (error) {
      await pair.close();
      throw error;
    }
  }

  /** On the standby: its users and passwords are those of the primary. */
  get standbyUrl(): string {
    const url = new URL(this.url);
    url.port = String(this.standby.port);
    return url.href;
  }

  /** Makes commits wait until the standby has flushed them, or not. */
  async setSynchronous(isOn: boolean): Promise<void> {
    await withClient(this.url, async (sql) => {
      await sql.unsafe(`alter system set synchronous_standby_names = '${isOn ? STANDBY : ""}'`);
      await sql`select pg_reload_conf()`;
      await pollUntil("the standby being waited for", 30_000, async () => {
        const [row] = await sql`select sync_state from pg_stat_replication where application_name = ${STANDBY}`;
        return (row?.sync_state === "sync") === isOn;
      });
    });
  }

  /** The primary dies for good, the standby takes writes. */
  async failOver(): Promise<void> {
    await this.primary.kill();
    await this.standby.thaw();
    await this.standby.start();
    await withClient(this.standbyUrl, async (sql) => {
      await sql`select pg_promote(true, 30)`;
    });
  }

  async untilStreaming(): Promise<void> {
    await withClient(this.url, async (sql) => {
      await pollUntil("the standby streaming", 60_000, async () => {
        return (await sql`select 1 from pg_stat_replication where state = 'streaming'`).length === 1;
      });
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.primary.close(), this.standby.close()]);
  }
}

function copyData(from: EmbeddedServer, to: EmbeddedServer): void {
  const data = join(to.folder, "data");
  const { uid, gid } = statSync(data);
  rmSync(data, { recursive: true });
  cpSync(join(from.folder, "data"), data, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  writeFileSync(join(data, "standby.signal"), "");
  own(data, uid, gid);
}

/** Gives a folder and everything in it to a user. */
function own(folder: string, uid: number, gid: number): void {
  chownSync(folder, uid, gid);
  for (const entry of readdirSync(folder, { recursive: true })) chownSync(join(folder, String(entry)), uid, gid);
}

async function withClient(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
