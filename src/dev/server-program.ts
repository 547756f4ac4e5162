import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { StoreUnavailableError } from "../domain/errors.ts";

/** The properties that differ between PostgreSQL and Redis. */
export interface ServerProgram {
  readonly store: "postgres" | "redis";
  /** Requests an orderly end that keeps acknowledged data. */
  readonly stopSignal: NodeJS.Signals;
  /** Requests an immediate end in which the server ends its children itself: killed ones stay zombies without an init. */
  readonly quitSignal: NodeJS.Signals;
  /** The log message when another process holds the port. */
  readonly portTaken: RegExp;
  command(port: number): { file: string; args: readonly string[] };
  /** The user to run as; absent: the current user. */
  readonly user?: { uid: number; gid: number };
  /** Whether exactly the process with this id serves the port. Never throws. */
  isReady(port: number, processId: number): boolean | Promise<boolean>;
  /** The URL with user and password. */
  url(port: number): string;
}

/** The environment of started programs: English messages, UTC, and a writable home folder. */
export function serverEnvironment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder, LC_ALL: "C", TZ: "UTC" };
}

/**
 * Launches a child and does not wait for its readiness. The child does not keep this process alive.
 * @throws {StoreUnavailableError} The program does not exist or is not executable.
 */
export async function launch(program: ServerProgram, folder: string, port: number): Promise<ChildProcess> {
  const { file, args } = program.command(port);
  const log = openSync(logFile(folder), "a"); // A file, because a full unread pipe would block the server.
  try {
    const child = spawn(file, args, {
      cwd: folder,
      // A separate session: Ctrl-C reaches only this process, which ends the server when it has finished.
      detached: true,
      stdio: ["ignore", log, log],
      // Not this process's environment: variables such as PGDATA or PGOPTIONS would change the server.
      env: serverEnvironment(folder),
      ...program.user,
    });
    await once(child, "spawn");
    child.unref();
    return child;
  } catch (cause) {
    const reason = `${file} cannot be started (${(cause as Error).message}): run \`node scripts/setup.mjs\` in a clone`;
    throw new StoreUnavailableError(program.store, reason, { cause });
  } finally {
    closeSync(log);
  }
}

/** Bytes in the log so far. */
export function logSize(folder: string): number {
  return statSync(logFile(folder), { throwIfNoEntry: false })?.size ?? 0;
}

/** The log from this byte on; empty when the file does not exist. */
export function logSince(folder: string, offset: number): string {
  return logSize(folder) === 0 ? "" : readFileSync(logFile(folder)).subarray(offset).toString("utf8");
}

function logFile(folder: string): string {
  return join(folder, "server.log");
}
