import type { SyncOutcome } from "../../index.ts";
import { printable } from "../output.ts";

/** The outcome of one write, for people. @param done what was done to it, e.g. "written". */
export function outcomeText(
  { namespace, memoryId, status, version, stores, error }: SyncOutcome,
  done: string,
): string {
  const name = printable(`${namespace}/${memoryId}`);
  if (status === "conflict") return `${name}: not ${done}: ${error?.message ?? `it is at version ${version}`}`;
  if (status === "unchanged") return `${name}: unchanged, at version ${version}`;
  const pending = Object.entries(stores).flatMap(([store, state]) => (state === "pending" ? [store] : []));
  const behind = pending.length === 0 ? "" : `; not published yet to: ${pending.join(", ")}`;
  return `${name}: ${done}, as version ${version}${behind}`;
}
