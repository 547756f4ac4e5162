import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";

import { join } from "node:path";
import { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { Lifeline } from "../../src/dev/lifeline.ts";
import { answersOn } from "./port-probe.ts";

/** Whether Debian's package `pgbouncer`, or another one, is on the PATH. */
export const pgBouncerIsInstalled = (): boolean => spawnSync("pgbouncer", ["--version"]).status === 0;

/** The setting that lets a program's start-up parameters pass, as the refusal of a connection names it. */
export const IGNORED_PARAMETERS =
  "ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits";

/**
 * A PgBouncer before the PostgreSQL at `target`, with its users.
 * @param lines more of the section `[pgbouncer]`, such as `pool_mode = session`.
 */
export async function startPgBouncer(target: string, lines: readonly string[]): Promise<EmbeddedServer> {
  const lifeline = new Lifeline("pgbouncer");
  const { hostname, port: targetPort, username, password, pathname } = new URL(target);
  const database = pathname.slice(1) || "postgres";
  const users = join(lifeline.folder, "users.txt");
  writeFileSync(users, `"${username}" "${password}"\n`);
  const settings = (port: number): string[] => [
    "[databases]",
    `${database} = host=${hostname} port=${targetPort || 5432} user=${username} password=${password} dbname=${database}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = plain",
    `auth_file = ${users}`,
    ...lines,
  ];
  chmodSync(lifeline.folder, 0o755); // PgBouncer refuses to run as root, so it runs as a user who owns nothing here.
  const asNobody = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const server = new EmbeddedServer(
    {
      store: "postgres",
      stopSignal: "SIGTERM",
      quitSignal: "SIGKILL",
      portTaken: /Address already in use/,
      command: (port) => {
        const file = join(lifeline.folder, "pgbouncer.ini");
        writeFileSync(file, `${settings(port).join("\n")}\n`);
        return { file: "pgbouncer", args: [...asNobody, file] };
      },
      isReady: (port) => answersOn(port),
      url: (port) => `postgres://${username}:${password}@127.0.0.1:${port}/${database}`,
    },
    lifeline,
    {},
  );
  await server.start();
  return server;
}
