import { readFileSync, readlinkSync } from "node:fs";

/** Names a process beyond the life of its pid: pids are given out again, and containers each count from 1. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; "unknown" without /proc. */
  readonly startedAt: string;
  /** Boot and pid namespace: pids of two domains say nothing about each other. "unknown" without /proc. */
  readonly domain: string;
}

const UNKNOWN = "unknown";

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? UNKNOWN, domain: ownDomain() };
}

/** Whether the process still runs; null when that cannot be told from here, since it belongs to another domain. */
export function isRunning(identity: ProcessIdentity): boolean | null {
  if (identity.domain !== ownDomain()) return null;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it runs, under another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (identity.startedAt === UNKNOWN) return true;
  return startOf(identity.pid) === identity.startedAt;
}

let domain: string | undefined;

function ownDomain(): string {
  if (domain === undefined) {
    try {
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
      const namespace = readlinkSync("/proc/self/ns/pid").replaceAll(/\D/g, "");
      domain = `${boot.slice(0, 12)}.${namespace}`;
    } catch {
      domain = UNKNOWN; // Not Linux, or a /proc that hides: pids are all there is to go by.
    }
  }
  return domain;
}

/** Start time in ticks; null when there is no such process (a zombie counts as none) or no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses and may contain anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null; // No such process.
  }
}
