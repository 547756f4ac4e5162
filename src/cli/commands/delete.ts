import { outcomeDocument } from "../../documents/memory-documents.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { printable } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { outcomeText } from "./outcome.ts";

export const deleteCommand: CliCommand = {
  configure: (command) => addNamespaceFlag(command),
  async run(invocation) {
    const [id = ""] = invocation.args;
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const outcome = await withSynchronizer(invocation, (sync) => sync.delete(id, call));
    const { namespace, memoryId, status } = outcome;
    return {
      exitCode: EXIT.ok,
      json: outcomeDocument(outcome),
      text:
        status === "unchanged"
          ? `${printable(`${namespace}/${memoryId}`)}: there is no such memory, nothing to delete`
          : outcomeText(outcome, "deleted"),
    };
  },
};
