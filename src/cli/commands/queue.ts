import { queueDocument } from "../../documents/operation-documents.ts";
import type { MemorySynchronizer, QueueEntry } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { counted } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { meaningOf, timeText } from "../terminal.ts";
import { wholeNumber } from "./scope.ts";

type Action = (sync: MemorySynchronizer, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (sync, { flags, signal }) => {
    const [entries, paused] = [
      await sync.backlog.list({ limit: flags.limit as number, signal }),
      await sync.backlog.isPaused({ signal }),
    ];
    const exitCode = entries.some(({ state }) => state === "dead") ? EXIT.findings : EXIT.ok;
    return { exitCode, json: queueDocument(entries, paused), text: listText(entries, paused) };
  },
  retry: async (sync, { signal }) => {
    const retried = await sync.backlog.retry({ signal });
    return done({ retried }, `${counted(retried, "dead letter")} due again`);
  },
  drop: async (sync, { signal }) => {
    const dropped = await sync.backlog.drop({ signal });
    const hint = dropped > 0 ? "; their stores stay behind until a check finds them" : "";
    return done({ dropped }, `${counted(dropped, "dead letter")} forgotten${hint}`);
  },
  pause: async (sync, { signal }) => {
    await sync.backlog.pause({ signal });
    return done({ paused: true }, "paused on every node: committed changes stay unpublished until queue resume");
  },
  resume: async (sync, { signal }) => {
    await sync.backlog.resume({ signal });
    return done({ paused: false }, "resumed");
  },
};

export const queueCommand: CliCommand = {
  configure(command) {
    command.option("--limit <entries>", "with list: entries, at most", wholeNumber, 100);
  },
  async run(invocation) {
    const [action = "list"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    return await withSynchronizer(invocation, (sync) => act(sync, invocation), withoutIndex);
  },
};

function done(json: object, text: string): CommandResult {
  return { exitCode: EXIT.ok, json, text };
}

function listText(entries: readonly QueueEntry[], paused: boolean): string {
  const note = paused ? ["the backlog is paused: mnemosync queue resume resumes it"] : [];
  if (entries.length === 0) return [...note, "nothing is queued"].join("\n");
  const heads = [
    { head: "state", meaning: meaningOf },
    { head: "store" },
    { head: "memory", whole: true },
    ...["attempts", "since", "last error"].map((head) => ({ head })),
  ];
  const rows = entries.map((entry) => [
    entry.state,
    entry.nodeId === "" ? entry.store : `${entry.store} of ${entry.nodeId}`,
    `${entry.namespace}/${entry.memoryId}`,
    String(entry.attempts),
    timeText(entry.enqueuedAt),
    entry.lastError ?? "",
  ]);
  return [...note, columns(heads, rows)].join("\n");
}
