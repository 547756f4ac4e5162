import { Option } from "commander";
import { EdgeStore, type QueueItem } from "../../edge/index.ts";
import { conflictsFolder } from "../../edge/settings.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { edgeOptions } from "../edge-options.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { counted, printable } from "../output.ts";
import { conflictText, nameOf, statusText, syncText } from "./edge-texts.ts";

/** Changes of each direction that are printed as JSON, at most. */
const LISTED_MAX = 100_000;

type Action = (edge: EdgeStore, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async status(edge) {
    const status = await edge.status();
    const isClean = status.failed === 0 && status.conflicts === 0;
    return { exitCode: isClean ? EXIT.ok : EXIT.findings, json: status, text: statusText(status, Date.now()) };
  },
  async now(edge, { signal }) {
    const report = await edge.syncNow({ signal, listMax: LISTED_MAX });
    return { exitCode: report.failed > 0 ? EXIT.findings : EXIT.ok, json: report, text: syncText(report) };
  },
  async retry(edge, { args }) {
    const retried = await edge.retry(args[1]);
    const lines = retried.map(
      (item) => `${nameOf(item)}: sent again; it had failed: ${printable(reasonOf(item.lastError))}`,
    );
    return {
      exitCode: EXIT.ok,
      json: { retried },
      text: lines.length === 0 ? "no change has failed" : lines.join("\n"),
    };
  },
  async queue(edge, { flags }) {
    const items = await edge.queue({ errors: flags.errors === true });
    const hasFailed = items.some(({ status }) => status === "failed");
    return { exitCode: hasFailed ? EXIT.findings : EXIT.ok, json: { items }, text: queueText(items) };
  },
  async conflicts(edge, invocation) {
    const { args, flags } = invocation;
    if (args[1] === "resolve") {
      const [, , id, choice] = args;
      if (id === undefined || (choice !== "local" && choice !== "remote" && choice !== "merge")) {
        throw new UsageError("expected: mnemosync edge conflicts resolve <id> local|remote|merge");
      }
      const conflict = await edge.resolve(id, choice);
      return {
        exitCode: EXIT.ok,
        json: { conflict },
        text: `${conflict.memoryId}: ${conflict.resolution}. It goes to the hub with the next sync`,
      };
    }
    if (args[1] !== undefined) throw new UsageError(`unknown action ${JSON.stringify(args[1])}: expected resolve`);
    const conflicts = await edge.conflicts({ all: flags.all === true });
    const isPending = conflicts.some(({ state }) => state === "pending");
    const text =
      conflicts.length === 0
        ? "no conflicts"
        : conflictText(conflicts, Date.now(), conflictsFolder(edgeOptions(invocation)));
    return { exitCode: isPending ? EXIT.findings : EXIT.ok, json: { conflicts }, text };
  },
  async pause(edge) {
    await edge.pause();
    return {
      exitCode: EXIT.ok,
      json: { paused: true },
      text: "paused, until mnemosync edge resume: memories are kept here",
    };
  },
  async resume(edge) {
    await edge.resume();
    return { exitCode: EXIT.ok, json: { paused: false }, text: "resumed" };
  },
  async resync(edge, { signal }) {
    await edge.resync();
    const report = await edge.syncNow({ signal });
    const text = `read anew: ${counted(report.pulled, "memory", "memories")} from the hub, ${counted(report.pushed, "change")} up`;
    return { exitCode: EXIT.ok, json: report, text };
  },
  async doctor(edge) {
    const report = await edge.doctor();
    const rows = report.checks.map(({ name, state, message }) => [state, name, message]);
    const hasFailure = report.checks.some(({ state }) => state === "failure");
    const exitCode = report.healthy ? EXIT.ok : hasFailure ? EXIT.failed : EXIT.findings;
    return {
      exitCode,
      json: report,
      text: columns([{ head: "state" }, { head: "check" }, { head: "found" }], rows, { overflow: "wrap" }),
    };
  },
};

/** Arguments behind the name of an action; none where it is not listed. */
const ARGUMENTS_MAX: Readonly<Record<string, number>> = { retry: 1, conflicts: 3 };

export const edgeCommand: CliCommand = {
  configure(command) {
    command.addOption(new Option("--errors", "with queue: failed changes only"));
    command.addOption(new Option("--all", "with conflicts: decided ones too"));
  },
  async run(invocation) {
    const [name = "status", ...rest] = invocation.args;
    const act = namedAction(ACTIONS, name);
    const surplus = rest[ARGUMENTS_MAX[name] ?? 0];
    if (surplus !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(surplus)} after ${name}`);
    // A command that is over in a moment does not look at every page of the file first. The doctor does, and `resync` mends the file.
    const check = name === "resync";
    const edge = await EdgeStore.open(edgeOptions(invocation), { log: invocation.log, check });
    try {
      return await act(edge, invocation);
    } finally {
      await edge.close();
    }
  },
};

function queueText(items: readonly QueueItem[]): string {
  if (items.length === 0) return "nothing waits";
  const heads = [
    { head: "memory", whole: true },
    { head: "change" },
    { head: "status" },
    { head: "retries", align: "right" },
    { head: "last error" },
  ] as const;
  const rows = items.map((item) => [
    ...[nameOf(item), item.op, item.status, String(item.attempts)],
    reasonOf(item.lastError),
  ]);
  return columns(heads, rows);
}

function reasonOf(error: QueueItem["lastError"]): string {
  return error === null ? "" : `${error.code}: ${error.message}`;
}
