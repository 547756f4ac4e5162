import { outcomeDocument } from "../../documents/memory-documents.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";

export const reviveCommand: CliCommand = {
  configure: (command) => addNamespaceFlag(command),
  async run(invocation) {
    const [id = ""] = invocation.args;
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const outcome = await withSynchronizer(invocation, (sync) => sync.revive(id, call), withoutIndex);
    const text = `${printable(`${outcome.namespace}/${outcome.memoryId}`)} may be written again; its content does not come back`;
    return { exitCode: EXIT.ok, json: outcomeDocument(outcome), text };
  },
};
