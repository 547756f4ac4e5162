import type { SyncOutcome } from "../../index.ts";
import { printable } from "../output.ts";

/** What became of one write, as programs read it. */
export function outcomeDocument({ namespace, memoryId, status, version, stores, transactionId, error }: SyncOutcome) {
  const reason = error === undefined ? {} : { error: { code: error.code, message: error.message } };
  return { namespace, memoryId, status, version, stores, transactionId, ...reason };
}

/** The same for people. @param done what was done to it, e.g. "written". */
export function outcomeText(
  { namespace, memoryId, status, version, stores, error }: SyncOutcome,
  done: string,
): string {
  const name = printable(`${namespace}/${memoryId}`);
  if (status === "conflict") return `${name}: not ${done}: ${error?.message ?? `it is at version ${version}`}`;
  if (status === "unchanged") return `${name}: unchanged, at version ${version}`;
  const pending = Object.entries(stores).flatMap(([store, state]) => (state === "pending" ? [store] : []));
  const behind = pending.length === 0 ? "" : `; still to be brought up to date: ${pending.join(", ")}`;
  return `${name}: ${done}, as version ${version}${behind}`;
}
