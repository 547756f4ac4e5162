import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StoreUnavailableError } from "../domain/errors.ts";
import { EmbeddedServer, type EmbeddedServerOptions } from "./embedded-server.ts";
import { Lifeline } from "./lifeline.ts";
import { type PostgresBinaries, usablePostgres } from "./postgres-binaries.ts";
import { type ServerProgram, serverEnvironment } from "./server-program.ts";

export interface EmbeddedPostgresOptions extends EmbeddedServerOptions {
  /**
   * Server settings by name, such as `{ max_connections: 200, fsync: "on" }`; they override the defaults here. By default
   * committed data survives a crash of the machine, as in production.
   */
  settings?: Readonly<Record<string, string | number | boolean>>;
}

/** Milliseconds that the creation of an empty cluster may take; about one second is usual. */
const createDeadlineMs = 60_000;

/**
 * A real PostgreSQL with a new cluster, ready for connections at `url`: database and superuser `postgres`, a random
 * password, UTF-8, UTC, sorted by code point. Takes about a second and 40 MB of disk.
 * @throws {ConfigurationError} Its programs are not installed.
 * @throws {StoreUnavailableError} It did not start; the message ends with its log.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedServer> {
  const lifeline = new Lifeline("postgres", options.parentFolder);
  try {
    const binaries = usablePostgres(lifeline.folder);
    const password = randomBytes(16).toString("hex");
    await createCluster(binaries, lifeline, password);
    const program = postgresProgram(binaries, lifeline.folder, password, options.settings ?? {});
    const server = new EmbeddedServer(program, lifeline, options);
    await server.start();
    return server;
  } catch (error) {
    await lifeline.close();
    throw error;
  }
}

const dataFolder = (folder: string): string => join(folder, "data");

async function createCluster(binaries: PostgresBinaries, lifeline: Lifeline, password: string): Promise<void> {
  const passwordFile = join(lifeline.folder, "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (binaries.user !== undefined) chownSync(passwordFile, binaries.user.uid, binaries.user.gid);
  const initdb = spawn(
    binaries.initdb,
    [
      `--pgdata=${dataFolder(lifeline.folder)}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      // A password, because every user of this machine can reach the port.
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // The same sort order on every machine, whatever its locales.
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      // Applies to the files of the empty cluster only, which need not survive a power cut.
      "--no-sync",
    ],
    {
      cwd: lifeline.folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: serverEnvironment(lifeline.folder),
      timeout: createDeadlineMs,
      killSignal: "SIGKILL",
      ...binaries.user,
    },
  );
  let output = "";
  initdb.stdout.on("data", (chunk: Buffer) => (output += chunk));
  initdb.stderr.on("data", (chunk: Buffer) => (output += chunk));
  lifeline.hold(initdb.pid);
  try {
    const [exitCode, signal] = await once(initdb, "close");
    if (exitCode !== 0)
      throw new Error(`initdb ended with ${signal ?? `exit code ${exitCode}`}:\n${output.slice(-2_000)}`);
  } catch (cause) {
    throw new StoreUnavailableError("postgres", `no cluster could be created: ${(cause as Error).message}`, { cause });
  } finally {
    lifeline.hold(undefined);
  }
}

function postgresProgram(
  binaries: PostgresBinaries,
  folder: string,
  password: string,
  settings: NonNullable<EmbeddedPostgresOptions["settings"]>,
): ServerProgram {
  const allSettings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "", // The default is /tmp, outside of the folder that is removed.
    ...settings,
  };
  return {
    store: "postgres",
    stopSignal: "SIGINT", // "Fast": open transactions are rolled back, clients are cut off.
    quitSignal: "SIGQUIT", // "Immediate".
    portTaken: /Address already in use/,
    command: (port) => ({
      file: binaries.postgres,
      args: [
        ...["-D", dataFolder(folder), "-p", String(port)],
        ...Object.entries(allSettings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
    }),
    ...(binaries.user && { user: binaries.user }),
    isReady: (_port, processId) => {
      // The file that pg_ctl reads: line 1 is the process id, line 8 the state. PostgreSQL writes it after recovery.
      try {
        const lines = readFileSync(join(dataFolder(folder), "postmaster.pid"), "utf8").split("\n");
        const isOpen = ["ready", "standby"].includes(lines[7]?.trim() ?? ""); // A standby answers reads.
        return lines[0] === String(processId) && isOpen;
      } catch {
        return false; // The file does not exist yet.
      }
    },
    url: (port) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
  };
}
