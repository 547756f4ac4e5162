import { Option } from "commander";
import { pageDocument } from "../../documents/find-documents.ts";
import type { ListedMemory, ListOrder } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";
import { ToldSources } from "../told-sources.ts";
import { addWhereFlag, whereOf } from "../where.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { wholeNumber } from "./scope.ts";

export const listCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    addWhereFlag(command);
    command.addOption(
      new Option(
        "--order-by <order>",
        'memoryId, createdAt, modifiedAt or importance, with " desc" behind for the other way',
      ).default("memoryId"),
    );
    command.option("--limit <memories>", "memories of a page, 1 to 1000", wholeNumber, 100);
    command.option("--cursor <cursor>", "the cursor of the page before");
    command.option("--embedding", "print the vectors' numbers too (with --json)");
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const options = {
      ...inNamespace(invocation),
      ...whereOf(invocation),
      orderBy: flags.orderBy as ListOrder,
      limit: flags.limit as number,
      cursor: flags.cursor as string | undefined,
      embedding: flags.embedding === true,
      signal,
      onSources: new ToldSources(invocation).tell,
    };
    const page = await withSynchronizer(invocation, (sync) => sync.list(options), withoutIndex);
    const more = page.cursor === null ? [] : [`more: --cursor ${page.cursor}`];
    const rows = page.memories.length === 0 ? "no memories" : table(page.memories, options.orderBy);
    return { exitCode: EXIT.ok, json: pageDocument(page), text: [rows, ...more].join("\n\n") };
  },
};

/** The time that the order goes by; of the others, when the memory was modified. */
function table(memories: readonly ListedMemory[], orderBy: ListOrder): string {
  const time = orderBy.startsWith("createdAt") ? "createdAt" : "modifiedAt";
  return columns(
    [
      { head: "memory", whole: true },
      { head: "type" },
      { head: "importance", align: "right" },
      { head: "version", align: "right" },
      { head: time === "createdAt" ? "created" : "modified" },
      { head: "content" },
    ],
    memories.map((memory) => [
      ...[memory.memoryId, memory.memoryType, String(memory.importance), String(memory.version)],
      ...[timeText(memory[time]), memory.content],
    ]),
  );
}
