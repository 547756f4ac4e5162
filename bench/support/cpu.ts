import { readdirSync, readFileSync } from "node:fs";

/** Processor seconds since a process began, its threads included, for each kind of process that takes part in a write. */
export interface CpuSplit {
  readonly node: number;
  readonly postgres: number;
  readonly redis: number;
  readonly faiss: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on.

/**
 * Of this process, and of the servers and index hosts among the processes below its parent: those of one run of the
 * benchmarks, and nobody else's. Empty but for this process where there is no `/proc`.
 */
export function cpuSplit(): CpuSplit {
  const split = { node: 0, postgres: 0, redis: 0, faiss: 0 };
  const own = process.cpuUsage();
  split.node = (own.user + own.system) / 1e6;
  for (const { id, name, seconds } of processesBelow(process.ppid)) {
    if (name === "postgres") split.postgres += seconds;
    else if (name.startsWith("redis-server")) split.redis += seconds;
    else if (/faiss-host|faiss\/host\/main/.test(commandOf(id))) split.faiss += seconds;
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

interface FoundProcess {
  readonly id: number;
  readonly parent: number;
  readonly name: string;
  readonly seconds: number;
}

function processesBelow(root: number): FoundProcess[] {
  const all = processes();
  const below = new Set([root]);
  // A child may stand before its parent in the list: again, until nobody is added.
  for (let known = 0; known < below.size; ) {
    known = below.size;
    for (const { id, parent } of all) if (below.has(parent)) below.add(id);
  }
  return all.filter(({ id }) => below.has(id));
}

/** Empty when it ended in between. */
function commandOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

function processes(): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const id of process.platform === "linux" ? readdirSync("/proc") : []) {
    if (!/^\d+$/.test(id)) continue;
    try {
      const stat = readFileSync(`/proc/${id}/stat`, "latin1");
      const end = stat.lastIndexOf(")");
      const fields = stat.slice(end + 2).split(" ");
      const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      const name = stat.slice(stat.indexOf("(") + 1, end);
      found.push({ id: Number(id), parent: Number(fields[1]), name, seconds });
    } catch {
      // It ended in between.
    }
  }
  return found;
}
