import type { CliCommand } from "../command.ts";
import { UsageError } from "../exit.ts";
import { withSynchronizer } from "../session.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { outcomeOf } from "./outcome.ts";
import { putResult, versionOf } from "./put.ts";

export const rollbackCommand: CliCommand = {
  configure: (command) => addNamespaceFlag(command),
  async run(invocation) {
    const [id = "", text] = invocation.args;
    const version = versionOf(text, "the version");
    if (version === 0) throw new UsageError("the version must be a whole number from 1: mnemosync history lists them");
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const outcome = await withSynchronizer(invocation, (sync) =>
      outcomeOf(sync, { ...call, memoryId: id }, () => sync.rollback(id, version, call)),
    );
    return putResult(outcome, `rolled back to version ${version}`);
  },
};
