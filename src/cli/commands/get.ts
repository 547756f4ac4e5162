import { manyDocument } from "../../documents/find-documents.ts";
import { memoryDocument } from "../../documents/memory-documents.ts";
import { type Memory, NotFoundError } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { ToldSources } from "../told-sources.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";

export const getCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    command.option("--embedding", "print the vector's numbers too (with --json)");
  },
  async run(invocation) {
    const { args, flags } = invocation;
    const [id = ""] = args;
    const told = new ToldSources(invocation);
    const call = { ...inNamespace(invocation), createdAt: true, signal: invocation.signal, onSources: told.tell };
    if (args.length > 1) {
      const memories = await withSynchronizer(invocation, (sync) => sync.getMany(args, call), withoutIndex);
      return {
        exitCode: memories.includes(null) ? EXIT.findings : EXIT.ok,
        json: manyDocument(memories, flags.embedding === true, told.sources),
        text: memories
          .map((memory, index) =>
            memory === null ? `there is no memory ${JSON.stringify(args[index])}` : text(memory),
          )
          .join("\n\n"),
      };
    }
    const memory = await withSynchronizer(invocation, (sync) => sync.get(id, call), withoutIndex);
    if (memory === null) {
      const where = call.namespace === undefined ? "" : ` in namespace ${printable(call.namespace)}`;
      throw new NotFoundError(`there is no memory ${JSON.stringify(id)}${where}`);
    }
    const json = memoryDocument(memory, flags.embedding === true, told.sources);
    return { exitCode: EXIT.ok, json, text: text(memory) };
  },
};

function text(memory: Memory): string {
  const { namespace, memoryId, content, memoryType, importance, metadata, privacy, expiresAt } = memory;
  const vector = memory.embedding === null ? "none" : `${memory.embedding.length} numbers`;
  const facts: [string, string][] = [
    ["memory", `${namespace}/${memoryId}`],
    ["type", memoryType],
    ["importance", String(importance)],
    ["metadata", JSON.stringify(metadata)],
    ["privacy", privacy],
    ["expires", expiresAt ?? "never"],
    ["vector", memory.embeddingModel === undefined ? vector : `${vector}, ${memory.embeddingModel}`],
    ["created", memory.createdAt === undefined ? "unknown" : new Date(memory.createdAt).toISOString()],
    ["version", `${memory.version}, modified ${new Date(memory.modifiedAt).toISOString()}`],
    ["checksum", memory.checksum],
    ["read from", memory.source],
  ];
  return [...facts.map(([name, value]) => `${name.padEnd(10)}  ${printable(value)}`), "", printable(content)].join(
    "\n",
  );
}
