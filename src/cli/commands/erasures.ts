import { erasureDocument, suppressedMemoryDocument } from "../../documents/erase-documents.ts";
import type { Erasure, SuppressedPage } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, counted, printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { writeAtReadersPace } from "../standard-output.ts";
import { timeText } from "../terminal.ts";
import { addNamespaceFlag, namespaceOf } from "./namespace.ts";
import { wholeNumber } from "./scope.ts";

/** Lists receipts, or shows one. */
export const erasuresCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command, "all by default");
    command.option("--limit <receipts>", "receipts, 1 to 1000", wholeNumber, 100);
    command.option("--before <id>", "only erasures that were requested before this one");
    command.option("--suppressed", "print the ids of erased memories, a JSON line each, to keep beside backups");
  },
  async run(invocation) {
    const { args, flags, signal } = invocation;
    if (flags.suppressed === true) return await printSuppressed(invocation);
    const [id] = args;
    return await withSynchronizer(
      invocation,
      async (sync) => {
        if (id !== undefined) {
          const erasure = await sync.erasures.get(id, { signal });
          return { exitCode: EXIT.ok, json: erasureDocument(erasure), text: erasureText(erasure) };
        }
        const namespace = namespaceOf(invocation);
        const erasures = await sync.erasures.list({
          limit: flags.limit as number,
          before: flags.before as string | undefined,
          ...(namespace !== undefined && { namespaces: [namespace] }),
          signal,
        });
        const text = erasures.length === 0 ? "no erasures" : table(erasures);
        return { exitCode: EXIT.ok, json: { erasures: erasures.map(erasureDocument) }, text };
      },
      withoutIndex,
    );
  },
};

async function printSuppressed(invocation: Invocation): Promise<CommandResult> {
  const { signal, note } = invocation;
  const namespace = namespaceOf(invocation);
  let printed = 0;
  await withSynchronizer(
    invocation,
    async (sync) => {
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page: SuppressedPage = await sync.erasures.suppressed({ namespace, cursor, signal });
        for (const memory of page.memories) {
          await writeAtReadersPace(`${JSON.stringify(suppressedMemoryDocument(memory))}\n`, signal);
        }
        printed += page.memories.length;
        cursor = page.cursor;
      }
    },
    withoutIndex,
  );
  note(`${counted(printed, "suppressed id")}`);
  return { exitCode: EXIT.ok, json: undefined, text: "" };
}

function table(erasures: readonly Erasure[]): string {
  return columns(
    [
      { head: "erasure", whole: true },
      { head: "requested" },
      { head: "covers" },
      { head: "erased", align: "right" },
      { head: "state" },
      { head: "actor" },
    ],
    erasures.map((erasure) => [
      erasure.id,
      timeText(erasure.requestedAt),
      covered(erasure),
      count(erasure.erased),
      erasure.state,
      erasure.actor ?? "",
    ]),
  );
}

function covered({ kind, namespace, memoryId }: Erasure): string {
  if (kind === "memory") return `${namespace}/${memoryId}`;
  return kind === "namespace" ? `all of ${namespace}` : `a filter in ${namespace}`;
}

/** A receipt for people. */
export function erasureText(erasure: Erasure): string {
  const { id, state, erased, memories, stores, awaiting, actor, reason, scrubbedAt } = erasure;
  const lines = [
    `erasure ${id}: ${counted(erased, "memory", "memories")} erased (${printable(covered(erasure))}), ${state}`,
    ...(actor === null ? [] : [`requested by ${printable(actor)}${reason === null ? "" : `: ${printable(reason)}`}`]),
    ...(scrubbedAt === null ? [`${count(memories - erased)} of ${count(memories)} are still to be erased`] : []),
    ...stores.map((store) => `${placeOf(store)}: holds nothing of ${counted(store.memories, "memory", "memories")}`),
    ...awaiting.map((store) => `${placeOf(store)}: has not confirmed yet`),
  ];
  return lines.join("\n");
}

function placeOf({ store, nodeId }: { store: string; nodeId: string | null }): string {
  return nodeId === null ? store : `${store} of node ${printable(nodeId)}`;
}
