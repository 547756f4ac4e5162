import { versionsDocument } from "../../documents/memory-documents.ts";
import { type MemoryVersion, NotFoundError } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";
import { ToldSources } from "../told-sources.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { wholeNumber } from "./scope.ts";

export const historyCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    command.option("--limit <versions>", "versions, at most", wholeNumber, 100);
  },
  async run(invocation) {
    const [id = ""] = invocation.args;
    const told = new ToldSources(invocation);
    const limit = invocation.flags.limit as number;
    const call = { ...inNamespace(invocation), limit, signal: invocation.signal, onSources: told.tell };
    const versions = await withSynchronizer(invocation, (sync) => sync.history(id, call), withoutIndex);
    if (versions.length === 0) throw new NotFoundError(`there is no memory ${JSON.stringify(id)}`);
    return { exitCode: EXIT.ok, json: versionsDocument(versions, told.sources), text: text(versions) };
  },
};

function text(versions: readonly MemoryVersion[]): string {
  return columns(
    [{ head: "version", align: "right" }, { head: "modified" }, { head: "by" }, { head: "content" }],
    versions.map(({ version, modifiedAt, versionVector, document }) => [
      String(version),
      timeText(modifiedAt),
      Object.entries(versionVector)
        .map(([node, writes]) => `${node}:${writes}`)
        .join(" "),
      document === null ? "(deleted)" : document.content,
    ]),
  );
}
