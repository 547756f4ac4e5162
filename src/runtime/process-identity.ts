import { readFileSync, readlinkSync } from "node:fs";

/** Identifies a process beyond its pid: the system reuses pids, and each container counts from 1. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; "unknown" without /proc. */
  readonly startedAt: string;
  /** Boot id and pid namespace: pids of different domains cannot be compared. "unknown" without /proc. */
  readonly domain: string;
}

const UNKNOWN = "unknown";

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? UNKNOWN, domain: ownDomain() };
}

/** Whether the process still runs; null when it belongs to another domain, where this process cannot tell. */
export function isRunning(identity: ProcessIdentity): boolean | null {
  if (identity.domain !== ownDomain()) return null;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: the process runs under another user.
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
      domain = UNKNOWN; // Not Linux, or a restricted /proc: only pids can be compared.
    }
  }
  return domain;
}

/** Start time in ticks; null without /proc, and when the process does not exist or is a zombie. */
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
