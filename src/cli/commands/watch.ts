import { Option } from "commander";
import { changeDocument } from "../../documents/change-documents.ts";
import { FEED_READINGS, type FeedReading } from "../../feed/feed-filter.ts";
import { type ChangeEvent, EpochChangedError } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { jsonText, printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { writeAtReadersPace } from "../standard-output.ts";
import { terminalWidth } from "../terminal.ts";
import { addWhereFlag, whereOf } from "../where.ts";

const FROM = ["now", "start"] as const;

export const watchCommand: CliCommand = {
  configure(command) {
    const collect = (name: string, names: readonly string[] = []): readonly string[] => [...names, name];
    command.option("--namespace <name>", "only changes of this tenant; may be repeated (default all)", collect);
    addWhereFlag(command);
    command.option("--cursor <cursor>", "go on behind this change");
    command.option("--from <place>", "without a cursor: now, or start, which shows all that there is first", "now");
    command.addOption(
      new Option("--reading <reading>", "changes: each memory at its latest version; versions: each version")
        .choices(FEED_READINGS)
        .default("changes"),
    );
    command.option("--include-local", "show memories that are local_only, and redacted ones whole");
  },
  async run(invocation) {
    const { flags, json, signal, note } = invocation;
    const from = FROM.find((place) => place === flags.from);
    if (from === undefined) throw new UsageError(`--from must be now or start, not ${JSON.stringify(flags.from)}`);
    const reading = {
      ...(flags.namespace !== undefined && { namespaces: flags.namespace as readonly string[] }),
      ...whereOf(invocation),
      reading: flags.reading as FeedReading,
      includeLocal: flags.includeLocal === true,
    };
    let cursor = typeof flags.cursor === "string" ? flags.cursor : undefined;
    await withSynchronizer(
      invocation,
      async (sync) => {
        try {
          // A stream knows its first place only after its first change: a watcher that is stopped before needs one too.
          if (cursor === undefined && from === "now") {
            cursor = (await sync.readChanges({ ...reading, from, signal })).cursor;
          }
          const onPosition = (position: string): void => {
            cursor = position;
          };
          for await (const change of sync.changes({ ...reading, cursor, onPosition, signal })) {
            await writeAtReadersPace(
              `${json ? jsonText(changeDocument(change, false), false) : line(change)}\n`,
              signal,
            );
            cursor = change.cursor;
          }
        } catch (error) {
          if (error instanceof EpochChangedError) cursor = undefined; // It names a place that no longer exists.
          if (!signal.aborted) throw error;
        } finally {
          if (cursor !== undefined) note(`go on with --cursor ${cursor}`);
        }
      },
      withoutIndex,
    );
    return { exitCode: EXIT.ok, json: undefined, text: "" };
  },
};

/** One change on one line, which a terminal cuts at its width. */
function line(change: ChangeEvent): string {
  const { kind, namespace, memoryId, version, modifiedAt } = change;
  const content = change.kind === "put" ? (change.memory.content ?? "(redacted)") : "";
  const at = new Date(modifiedAt).toISOString();
  return printable(`${at} ${kind} ${namespace}/${memoryId}@${version} ${content}`.trimEnd(), terminalWidth());
}
