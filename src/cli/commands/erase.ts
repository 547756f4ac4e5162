import { erasePreviewDocument, erasureDocument } from "../../documents/erase-documents.ts";
import type { ErasePreview, EraseTarget, Erasure, MemorySynchronizer } from "../../index.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { counted, printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { addWhereFlag, whereOf } from "../where.ts";
import { eraseIds } from "./erase-ids.ts";
import { erasureText } from "./erasures.ts";
import { addNamespaceFlag, namespaceOf } from "./namespace.ts";

export const eraseCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command, "which --everything must name");
    addWhereFlag(command);
    command.option("--everything", "erase all memories of the namespace");
    command.option(
      "--ids <file>",
      "erase the memories that a file names, as erasures --suppressed prints them (- reads standard input)",
    );
    command.option("--dry-run", "only print what would be erased");
    command.option("--actor <name>", "who asked for it, for the receipt");
    command.option("--reason <text>", "why, for the receipt: name nothing in it that must go");
    command.option("--no-index", "leave the vector index to the service that runs it: it confirms by itself");
  },
  async run(invocation) {
    const { flags } = invocation;
    const adapt = flags.index === false ? withoutIndex : undefined;
    if (typeof flags.ids === "string") {
      const path = flags.ids;
      if (isTargeted(invocation) || namespaceOf(invocation) !== undefined) {
        throw new UsageError("--ids takes the memories and their namespaces from the file: leave the others out");
      }
      return await withSynchronizer(invocation, (sync) => eraseIds(sync, path, notesOf(invocation), invocation), adapt);
    }
    const target = targetOf(invocation);
    return await withSynchronizer(
      invocation,
      (sync) => (flags.dryRun === true ? preview(sync, target, invocation) : erase(sync, target, invocation)),
      adapt,
    );
  },
};

function isTargeted(invocation: Invocation): boolean {
  const { args, flags } = invocation;
  return [args[0], flags.where, flags.everything].some((part) => part !== undefined);
}

function notesOf({ flags }: Invocation): { actor: string | undefined; reason: string | undefined } {
  return { actor: flags.actor as string | undefined, reason: flags.reason as string | undefined };
}

/** Null: the whole namespace. */
function targetOf(invocation: Invocation): EraseTarget | null {
  const { args, flags } = invocation;
  const [memoryId] = args;
  const { where } = whereOf(invocation);
  const named = [memoryId, where, flags.everything].filter((part) => part !== undefined);
  if (named.length !== 1) {
    throw new UsageError(
      "erase needs one of: the id of a memory, --where <json>, --ids <file>, or --everything with --namespace",
    );
  }
  if (memoryId !== undefined) return memoryId;
  if (where !== undefined) return { where };
  if (namespaceOf(invocation) === undefined) {
    throw new UsageError("--everything needs --namespace: a whole namespace is erased only by its name");
  }
  return null;
}

async function preview(
  sync: MemorySynchronizer,
  target: EraseTarget | null,
  invocation: Invocation,
): Promise<CommandResult> {
  const namespace = namespaceOf(invocation);
  const { signal } = invocation;
  const found =
    target === null
      ? await sync.erasures.previewNamespace(namespace ?? "", { signal })
      : await sync.erasures.preview(target, { namespace, signal });
  return { exitCode: EXIT.ok, json: erasePreviewDocument(found), text: previewText(found) };
}

async function erase(
  sync: MemorySynchronizer,
  target: EraseTarget | null,
  invocation: Invocation,
): Promise<CommandResult> {
  const { signal } = invocation;
  const namespace = namespaceOf(invocation);
  const options = { ...notesOf(invocation), signal };
  const receipt: Erasure =
    target === null
      ? await sync.eraseNamespace(namespace ?? "", options)
      : await sync.erase(target, { namespace, ...options });
  return { exitCode: EXIT.ok, json: erasureDocument(receipt), text: erasureText(receipt) };
}

function previewText({ namespace, memories, memoryIds }: ErasePreview): string {
  if (memories === 0) return `nothing to erase in ${namespace}`;
  const more = memories > memoryIds.length ? [`… and ${memories - memoryIds.length} more`] : [];
  const what = `${counted(memories, "memory", "memories")} of ${namespace} would be erased; nothing was changed`;
  return [what, "", ...memoryIds.map((text) => printable(text)), ...more].join("\n");
}
