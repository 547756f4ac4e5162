import { readdirSync, readFileSync } from "node:fs";

/** Processes below another one. Those that end meanwhile are left out. Linux only. */
export function processesBelow(root: number): number[] {
  const children = taskIds(root).flatMap((task) => {
    try {
      return readFileSync(`/proc/${root}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number);
    } catch {
      return []; // It ended in between.
    }
  });
  return children.flatMap((id) => [id, ...processesBelow(id)]);
}

/** The command of a process, its arguments divided by zeros; empty where it has ended. */
export function commandOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Nanoseconds of the processor that the threads of a process have used which run now; exact, whatever else runs. */
export function threadTimes(id: number): number {
  let sum = 0;
  for (const task of taskIds(id)) {
    try {
      sum += Number(readFileSync(`/proc/${id}/task/${task}/schedstat`, "latin1").split(" ")[0]);
    } catch {
      // It ended in between.
    }
  }
  return sum;
}

function taskIds(id: number): string[] {
  try {
    return readdirSync(`/proc/${id}/task`);
  } catch {
    return []; // It ended in between.
  }
}
