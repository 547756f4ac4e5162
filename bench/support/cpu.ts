import { readdirSync, readFileSync } from "node:fs";

/** Processor seconds since a process began, its threads included, for each kind of process that takes part in a write. */
export interface CpuSplit {
  readonly node: number;
  readonly postgres: number;
  readonly redis: number;
  readonly faiss: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on.

/** Of this process and all below it. Empty of children where there is no `/proc`. */
export function cpuSplit(): CpuSplit {
  const split = { node: 0, postgres: 0, redis: 0, faiss: 0 };
  const own = process.cpuUsage();
  split.node = (own.user + own.system) / 1e6;
  for (const { name, command, seconds } of processes()) {
    if (name === "postgres") split.postgres += seconds;
    else if (name.startsWith("redis-server")) split.redis += seconds;
    else if (/faiss[/\\]host[/\\]main/.test(command)) split.faiss += seconds;
  }
  return split;
}

export function cpuBetween(before: CpuSplit, after: CpuSplit): CpuSplit {
  return {
    node: after.node - before.node,
    postgres: after.postgres - before.postgres,
    redis: after.redis - before.redis,
    faiss: after.faiss - before.faiss,
  };
}

function* processes(): Generator<{ name: string; command: string; seconds: number }> {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const end = stat.lastIndexOf(")");
      const fields = stat.slice(end + 2).split(" ");
      const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\u0000", " ");
      yield { name: stat.slice(stat.indexOf("(") + 1, end), command, seconds };
    } catch {
      // It ended in between.
    }
  }
}
