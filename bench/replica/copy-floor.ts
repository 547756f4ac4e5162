import { execFile } from "node:child_process";
import { promisify } from "node:util";
import postgres from "postgres";
import type { BenchContext } from "../harness/scenario.ts";
import { MemorySynchronizer } from "../support/product.ts";
import { verify } from "../support/report.ts";
import { rate } from "../support/timed.ts";

const run = promisify(execFile);
const TABLES = ["memory_versions", "memory_bodies"] as const;

/** What a plain copy of the ledger's rows takes: no order, no privacy, no place that is kept. */
export class CopyFloor {
  readonly name = "psql | psql, by COPY";
  readonly #from: string;
  readonly #to: string;
  readonly #sql: postgres.Sql;

  private constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
    this.#sql = postgres(to, { max: 1, onnotice: () => undefined });
  }

  /** Null: there is no psql here. */
  static async open(context: BenchContext, from: string): Promise<CopyFloor | null> {
    const isThere = await run("psql", ["--version"]).then(
      () => true,
      () => false,
    );
    if (!isThere) return null;
    const to = await context.newDatabase();
    const migrating = await MemorySynchronizer.connect({ postgresUrl: to, redisUrl: "none" });
    await migrating.close();
    return new CopyFloor(from, to);
  }

  /** Copies the `count` memories that were written last. @returns memories per second. */
  async run(count: number): Promise<number> {
    const last = `select namespace, memory_id from mnemosync.memory_bodies order by xid desc, seq desc limit ${count}`;
    const perSecond = await rate(count, async () => {
      for (const table of TABLES) {
        const rows = `select t.* from mnemosync.${table} t join (${last}) l using (namespace, memory_id)`;
        const out = `psql -X -q "$FROM_URL" -c "copy (${rows}) to stdout"`;
        await run(
          "bash",
          ["-o", "pipefail", "-c", `${out} | psql -X -q "$TO_URL" -c "copy mnemosync.${table} from stdin"`],
          {
            env: { ...process.env, FROM_URL: this.#from, TO_URL: this.#to },
          },
        );
      }
    });
    const [row] = await this.#sql`select count(*)::int as count from mnemosync.memory_bodies`;
    verify(row?.count === count, `the copy has ${row?.count} bodies of ${count}`);
    await this.#sql`truncate mnemosync.memory_versions, mnemosync.memory_bodies`;
    return perSecond;
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 5 });
  }
}
