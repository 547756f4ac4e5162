import { NotFoundError, type VersionDiff } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { versionOf } from "./put.ts";

export const diffCommand: CliCommand = {
  configure: (command) => addNamespaceFlag(command),
  async run(invocation) {
    const [id = "", from, to] = invocation.args;
    if (from !== undefined && to === undefined) throw new UsageError("give both versions, or none for the newest two");
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const diff = await withSynchronizer(
      invocation,
      async (sync) => {
        if (from !== undefined) return await sync.diff(id, versionOf(from, "<from>"), versionOf(to, "<to>"), call);
        const [newest, older] = await sync.history(id, { ...call, limit: 2 });
        if (newest === undefined) throw new NotFoundError(`there is no memory ${JSON.stringify(id)}`);
        if (older === undefined)
          throw new NotFoundError(`only version ${newest.version} of ${JSON.stringify(id)} is kept`);
        return await sync.diff(id, older.version, newest.version, call);
      },
      withoutIndex,
    );
    return { exitCode: EXIT.ok, json: diff, text: text(diff) };
  },
};

function text({ namespace, memoryId, fromVersion, toVersion, fields, embeddingChanged }: VersionDiff): string {
  const what = `${printable(`${namespace}/${memoryId}`)}, version ${fromVersion} to ${toVersion}`;
  const rows = [
    ...fields.map(({ path, before, after }) => [path, shown(before), shown(after)]),
    ...(embeddingChanged ? [["embedding", "(vector)", "(another vector)"]] : []),
  ];
  if (rows.length === 0) return `${what}: no difference`;
  return `${what}:\n\n${columns([{ head: "field" }, { head: "before" }, { head: "after" }], rows, { overflow: "wrap" })}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}
