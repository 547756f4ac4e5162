import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { StoreUnavailableError } from "../domain/errors.ts";

/** The differences between the kinds of server. */
export interface ServerProgram {
  readonly store: "postgres" | "redis";
  /** Asks for an orderly end that keeps what was acknowledged. */
  readonly stopSignal: NodeJS.Signals;
  /** Asks it to drop everything and end its children itself: killed ones stay zombies where no init reaps them. */
  readonly quitSignal: NodeJS.Signals;
  /** What the log says when another process holds the port. */
  readonly portTaken: RegExp;
  command(port: number): { file: string; args: readonly string[] };
  /** The user to run as; ours when absent. */
  readonly user?: { uid: number; gid: number };
  /** Whether the process with this id, and no other, serves the port by now. Never throws. */
  isReady(port: number, processId: number): boolean | Promise<boolean>;
  /** With user and password. */
  url(port: number): string;
}

/** The environment of everything that is started here: English messages, UTC, and a home folder it may write to. */
export function serverEnvironment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder, LC_ALL: "C", TZ: "UTC" };
}

/**
 * A child that has been launched, with nothing said about its being ready. It does not keep this process alive.
 * @throws {StoreUnavailableError} No such program, or it may not be run.
 */
export async function launch(program: ServerProgram, folder: string, port: number): Promise<ChildProcess> {
  const { file, args } = program.command(port);
  const log = openSync(logFile(folder), "a"); // A file, because a full pipe that is not read would block the server.
  try {
    const child = spawn(file, args, {
      cwd: folder,
      // A session of its own: Ctrl-C reaches only this process, which ends the server when it has finished.
      detached: true,
      stdio: ["ignore", log, log],
      // Not this process's environment: variables like PGDATA or PGOPTIONS would change the server.
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

/** The log from this byte on; empty when there is none. */
export function logSince(folder: string, offset: number): string {
  return logSize(folder) === 0 ? "" : readFileSync(logFile(folder)).subarray(offset).toString("utf8");
}

function logFile(folder: string): string {
  return join(folder, "server.log");
}
