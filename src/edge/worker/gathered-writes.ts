import type { FileWork, WorkerCall } from "./messages.ts";

/** Writes of one commit, at most: other calls wait for all of them. */
const GATHERED_MAX = 50;
const WRITES: ReadonlySet<string> = new Set(["put", "patch", "delete"] satisfies FileWork["name"][]);

export function isWrite(call: WorkerCall): call is FileWork {
  return "name" in call && WRITES.has(call.name);
}

/**
 * The writes that have come behind `first` by now, up to the first other call, which is answered behind them.
 * @param take the call that has come next; undefined: none has.
 */
export function gatherWrites(
  first: FileWork,
  take: () => WorkerCall | undefined,
): { readonly writes: readonly FileWork[]; readonly behind: WorkerCall | undefined } {
  const writes = [first];
  while (writes.length < GATHERED_MAX) {
    const next = take();
    if (next === undefined || !isWrite(next)) return { writes, behind: next };
    writes.push(next);
  }
  return { writes, behind: undefined };
}
