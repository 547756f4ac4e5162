import { text as readAll } from "node:stream/consumers";
import { outcomeDocument } from "../../documents/memory-documents.ts";
import type { MemoryFields, SyncOutcome } from "../../index.ts";
import type { CliCommand, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { printable } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { jsonOf as parsed } from "../where.ts";
import { addNamespaceFlag, namespaceOf } from "./namespace.ts";
import { outcomeOf, outcomeText } from "./outcome.ts";

/** Fields that a flag can give. Numbers and JSON are parsed here; the library checks the values. */
const FIELD_FLAGS = ["content", "memoryType", "importance", "metadata", "privacy", "expiresAt"] as const;

/** The type of a memory without `--memory-type`. */
const MEMORY_TYPE = "episodic";

export const putCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    command.option("--content <text>", "its content; without this flag a JSON object is read from standard input");
    command.option("--memory-type <type>", `its type (default ${MEMORY_TYPE})`);
    command.option("--importance <number>", "0 to 1");
    command.option("--metadata <json>", "a JSON object");
    command.option("--privacy <privacy>", "full, redacted or local_only");
    command.option("--expires-at <time>", "ISO-8601, e.g. 2030-01-31T12:00:00Z");
    command.option(
      "--expect-version <version>",
      "write only if the memory is at this version (0: if it does not exist)",
    );
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const { memoryId, fields } = flags.content === undefined ? await fromInput(invocation) : fromFlags(invocation);
    const expected = flags.expectVersion === undefined ? {} : { expectedVersion: versionOf(flags.expectVersion) };
    const outcome = await withSynchronizer(invocation, (sync) =>
      outcomeOf(sync, { memoryId, namespace: fields.namespace }, () =>
        sync.syncMemory(memoryId, fields, { ...expected, signal }),
      ),
    );
    return putResult(outcome, "written");
  },
};

/** The result of writing one memory. */
export function putResult(outcome: SyncOutcome, done: string) {
  const exitCode = outcome.status === "conflict" ? EXIT.findings : EXIT.ok;
  return { exitCode, json: outcomeDocument(outcome), text: outcomeText(outcome, done) };
}

/** @throws {UsageError} */
export function versionOf(text: unknown, flag = "--expect-version"): number {
  const version = Number(text);
  if (text !== "" && Number.isSafeInteger(version) && version >= 0) return version;
  throw new UsageError(`${flag} must be a whole number from 0, not ${printable(String(text), 40)}`);
}

function fromFlags(invocation: Invocation): { memoryId: string; fields: MemoryFields } {
  const [memoryId] = invocation.args;
  if (memoryId === undefined)
    throw new UsageError("put --content needs the memory's id: mnemosync put <id> --content …");
  const { importance, metadata } = invocation.flags;
  const given = Object.fromEntries(
    FIELD_FLAGS.flatMap((name) => (invocation.flags[name] === undefined ? [] : [[name, invocation.flags[name]]])),
  );
  const fields = {
    memoryType: MEMORY_TYPE,
    ...given,
    ...(importance !== undefined && { importance: Number(importance) }),
    ...(metadata !== undefined && { metadata: parsed(String(metadata), "--metadata") }),
  };
  return { memoryId, fields: inNamespace(fields, invocation) as unknown as MemoryFields };
}

async function fromInput(invocation: Invocation): Promise<{ memoryId: string; fields: MemoryFields }> {
  const misplaced = FIELD_FLAGS.find((name) => invocation.flags[name] !== undefined);
  if (misplaced !== undefined)
    throw new UsageError(`${misplaced} is given by a flag, but the content is not: add --content`);
  const input = parsed(await readAll(process.stdin), "standard input");
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new UsageError('standard input must be one JSON object, e.g. {"memoryId": "m1", "content": "…"}');
  }
  const { memoryId = invocation.args[0], ...fields } = input as Record<string, unknown>;
  if (typeof memoryId !== "string")
    throw new UsageError("the memory has no memoryId: give one in the object, or as argument");
  if (invocation.args[0] !== undefined && invocation.args[0] !== memoryId) {
    throw new UsageError(`two ids are given: ${printable(invocation.args[0], 80)} and ${printable(memoryId, 80)}`);
  }
  return {
    memoryId,
    fields: inNamespace({ memoryType: MEMORY_TYPE, ...fields }, invocation) as unknown as MemoryFields,
  };
}

function inNamespace(fields: Record<string, unknown>, invocation: Invocation): Record<string, unknown> {
  const namespace = namespaceOf(invocation);
  return namespace === undefined ? fields : { ...fields, namespace };
}
