import { spawn, spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { pickFreePort } from "../../src/dev/free-port.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { postgresUrl } from "../support/services.ts";

/** Goal: PgBouncer in transaction mode is refused with a sentence that says what to set; in session mode it serves. */

const isInstalled = spawnSync("pgbouncer", ["--version"]).status === 0;
const IGNORED =
  "ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits";

/** A PgBouncer before the tests' server. @returns its URL. */
async function startPooler(lines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-pgbouncer-"));
  const port = await pickFreePort();
  const target = new URL(postgresUrl());
  const [host, user, password] = [target.hostname, target.username, target.password];
  const database = `host=${host} port=${target.port || 5432} user=${user} password=${password} dbname=postgres`;
  await writeFile(join(folder, "users.txt"), `"${user}" "${password}"\n`);
  const settings = [
    "[databases]",
    `pooled = ${database}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = plain",
    `auth_file = ${join(folder, "users.txt")}`,
    ...lines,
  ];
  await writeFile(join(folder, "pgbouncer.ini"), `${settings.join("\n")}\n`);
  await chmod(folder, 0o755);
  const asNobody = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const server = spawn("pgbouncer", [...asNobody, join(folder, "pgbouncer.ini")], { stdio: "ignore" });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/pooled`;
  await pollUntil("PgBouncer", 10_000, async () => {
    const sql = postgres(url, {
      max: 1,
      connect_timeout: 1,
      fetch_types: false,
      prepare: false,
      onnotice: () => undefined,
    });
    try {
      await sql`select 1`;
      return true;
    } catch {
      return false;
    } finally {
      await sql.end({ timeout: 1 });
    }
  });
  return url;
}

const signal = (): AbortSignal => AbortSignal.timeout(10_000);

test.skipIf(!isInstalled)(
  "its refusal of a start-up parameter is a configuration error that says what to set",
  async () => {
    const pool = new PostgresPool(await startPooler(["pool_mode = transaction"]), { max: 1 });
    onTestFinished(() => pool.close());
    const used = pool.use(signal(), ({ sql }) => sql`select 1`);
    await expect(used).rejects.toMatchObject({
      code: "CONFIGURATION",
      message: expect.stringMatching(/start-up parameter .*pool_mode = session and ignore_startup_parameters = /s),
    });
  },
);

test.skipIf(!isInstalled)("transaction mode that hides the parameters is found by the second connection", async () => {
  const url = await startPooler(["pool_mode = transaction", IGNORED]);
  const pool = new PostgresPool(url, { max: 2 });
  onTestFinished(() => pool.close());
  await pool.use(signal(), async () => {
    const second = pool.use(signal(), ({ sql }) => sql`select 1`);
    await expect(second).rejects.toMatchObject({
      code: "CONFIGURATION",
      message: expect.stringContaining("pool_mode = session"),
    });
  });
});

test.skipIf(!isInstalled)("session mode serves", async () => {
  const pool = new PostgresPool(await startPooler(["pool_mode = session", IGNORED]), { max: 3 });
  onTestFinished(() => pool.close());
  const pids = await Promise.all(
    [1, 2, 3].map(() => pool.use(signal(), async ({ sql, backend }) => (await sql`select 1`) && backend.pid)),
  );
  expect(new Set(pids).size).toBeGreaterThan(0);
  await pool.use(signal(), ({ sql }) => sql`select 1`);
});
