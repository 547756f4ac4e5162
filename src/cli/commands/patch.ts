import { text as readAll } from "node:stream/consumers";
import { Option } from "commander";
import type { EmbeddingChoice, MemoryPatch } from "../../index.ts";
import { EMBEDDING_CHOICES } from "../../write/patch.ts";
import type { CliCommand, Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";
import { withSynchronizer } from "../session.ts";
import { jsonOf } from "../where.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { outcomeOf } from "./outcome.ts";
import { putResult, versionOf } from "./put.ts";

const TEXT_FLAGS = ["content", "memoryType", "privacy", "expiresAt"] as const;

export const patchCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    command.option(
      "--content <text>",
      "another content; without any field's flag a JSON object is read from standard input",
    );
    command.option("--memory-type <type>", "another type");
    command.option("--importance <number>", "0 to 1");
    command.option("--metadata <json>", "a merge patch: null removes an entry");
    command.option("--privacy <privacy>", "full, redacted or local_only");
    command.option("--expires-at <time>", "ISO-8601, e.g. 2030-01-31T12:00:00Z");
    command.addOption(
      new Option("--embedding <choice>", "of the old vector, where the content changes").choices(EMBEDDING_CHOICES),
    );
    command.option("--expect-version <version>", "write only if the memory is at this version");
  },
  async run(invocation) {
    const [memoryId = ""] = invocation.args;
    const { flags, signal } = invocation;
    const changes = changesOf(invocation) ?? jsonOf(await readAll(process.stdin), "standard input");
    const options = {
      ...inNamespace(invocation),
      ...(flags.expectVersion !== undefined && { expectedVersion: versionOf(flags.expectVersion) }),
      embedding: flags.embedding as EmbeddingChoice | undefined,
      signal,
    };
    const outcome = await withSynchronizer(invocation, (sync) =>
      outcomeOf(sync, { memoryId, namespace: options.namespace }, () =>
        sync.patch(memoryId, changes as MemoryPatch, options),
      ),
    );
    return putResult(outcome, "patched");
  },
};

/** The changes that flags name, unchecked; null without such a flag. @throws {UsageError} */
function changesOf({ flags }: Invocation): object | null {
  const changes: Record<string, unknown> = {};
  for (const name of TEXT_FLAGS) if (flags[name] !== undefined) changes[name] = flags[name];
  if (flags.importance !== undefined) {
    changes.importance = Number(flags.importance);
    if (flags.importance === "" || Number.isNaN(changes.importance))
      throw new UsageError("--importance must be a number");
  }
  if (flags.metadata !== undefined) changes.metadata = jsonOf(String(flags.metadata), "--metadata");
  return Object.keys(changes).length === 0 ? null : changes;
}
