import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { pollUntil } from "./wait.ts";

/** Sends `signal`; a process that has already ended is no error. */
export function sendSignal(processId: number, signal: NodeJS.Signals): void {
  // 0 and negative ids address whole process groups, such as this process's own.
  if (processId <= 1) return;
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** False for a zombie too: it holds no memory, lock or socket, and some containers never reap zombies. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isIn(processId, "ZX");
}

/** The direct children, as of now. */
export function childrenOf(processId: number): number[] {
  let listing: string;
  try {
    // Both servers fork from their first thread only, so this one list is complete.
    listing = readFileSync(`/proc/${processId}/task/${processId}/children`, "latin1");
  } catch {
    if (process.platform === "linux" && !isAlive(processId)) return [];
    const table = execFileSync("ps", ["-A", "-o", "pid=", "-o", "ppid="], { encoding: "latin1", timeout: 5_000 });
    const rows = table.split("\n").map((row) => row.trim().split(/\s+/));
    listing = rows.flatMap(([child, parent]) => (Number(parent) === processId ? [child] : [])).join(" ");
  }
  return listing.split(/\s+/).filter(Boolean).map(Number);
}

/**
 * SIGSTOP to a server and all its children. The parent is stopped first, so that it cannot fork another child meanwhile.
 * @returns Every signalled process, the parent first.
 */
export function stopTree(processId: number): number[] {
  sendSignal(processId, "SIGSTOP");
  const stopped = new Set([processId]);
  for (;;) {
    const newcomers = childrenOf(processId).filter((child) => !stopped.has(child));
    if (newcomers.length === 0) return [...stopped];
    for (const child of newcomers) {
      sendSignal(child, "SIGSTOP");
      stopped.add(child);
    }
  }
}

/** Resolves when all processes have stopped: a process finishes its current system call first. */
export async function untilStopped(processIds: readonly number[]): Promise<void> {
  if (process.platform !== "linux") return; // No cheap way to check; the signal is delivered within microseconds.
  await pollUntil("stopping the processes", 5_000, () =>
    processIds.every((processId) => !isAlive(processId) || isIn(processId, "Tt")),
  );
}

/** SIGCONT, children first, so that the parent does not find them missing. */
export function continueTree(processId: number): void {
  for (const child of childrenOf(processId)) sendSignal(child, "SIGCONT");
  sendSignal(processId, "SIGCONT");
}

/**
 * SIGKILL to a server and all its children, as a power cut would. Synchronous, so that it works while the
 * process exits. PostgreSQL's children have separate process groups, so killing the parent's group would miss them.
 * @returns Every process that was killed; they may need a moment to be gone.
 */
export function killTree(processId: number): number[] {
  const doomed = stopTree(processId);
  for (const each of doomed) sendSignal(each, "SIGKILL");
  return doomed;
}

/** Resolves when all are gone. */
export async function untilGone(processIds: readonly number[]): Promise<void> {
  await pollUntil("ending the processes", 10_000, () => !processIds.some(isAlive));
}

/** Whether Linux reports the process in one of the states (`T` stopped, `Z` zombie …). False on other systems. */
function isIn(processId: number, states: string): boolean {
  try {
    const line = readFileSync(`/proc/${processId}/stat`, "latin1");
    return states.includes(line.charAt(line.lastIndexOf(")") + 2)); // The process name before it may contain any character.
  } catch {
    return false;
  }
}
