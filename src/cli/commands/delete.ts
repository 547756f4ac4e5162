import type { SyncOutcome } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { printable } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";

export const deleteCommand: CliCommand = {
  name: "delete",
  usage: "<id>",
  summary: "delete a memory in all stores",
  configure: (command) => addNamespaceFlag(command),
  async run(invocation) {
    const [id = ""] = invocation.args;
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const outcome = await withSynchronizer(invocation, (sync) => sync.delete(id, call));
    const { namespace, memoryId, status, version, stores, transactionId } = outcome;
    return {
      exitCode: EXIT.ok,
      json: { namespace, memoryId, status, version, stores, transactionId },
      text: text(outcome),
    };
  },
};

function text({ namespace, memoryId, status, version, stores }: SyncOutcome): string {
  const name = printable(`${namespace}/${memoryId}`);
  if (status === "unchanged") return `${name}: there is no such memory, nothing to delete`;
  const pending = Object.entries(stores).flatMap(([store, state]) => (state === "pending" ? [store] : []));
  const behind = pending.length === 0 ? "" : `; still to be brought up to date: ${pending.join(", ")}`;
  return `${name}: deleted, as version ${version}${behind}`;
}
