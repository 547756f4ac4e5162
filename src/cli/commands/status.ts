import { settingAt } from "../../config/settings.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import { type Status, StoreUnavailableError } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { describeError, EXIT, errorLine } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { count, duration, printable } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { storesWithoutLedger } from "../status-without-ledger.ts";
import { meaningOf } from "../terminal.ts";
import { watchStatus } from "../watch.ts";
import { wholeNumber } from "./scope.ts";

const WATCH_SECONDS = 2;

export const statusCommand: CliCommand = {
  configure(command) {
    command.option("--watch [seconds]", "show it repeatedly, every 2 s by default, until Ctrl-C", wholeNumber);
  },
  async run(invocation) {
    const { watch } = invocation.flags;
    if (watch !== undefined) {
      const everyMs = (watch === true ? WATCH_SECONDS : (watch as number)) * 1_000;
      return await watchStatus(invocation, everyMs, statusText);
    }
    const asked = await withSynchronizer(
      invocation,
      async (sync) => [await sync.status({ signal: invocation.signal }), sync.nodeId] as const,
    ).catch((error: unknown) => withoutLedger(invocation, error));
    if ("exitCode" in asked) return asked;
    const [status, nodeId] = asked;
    const isDown = Object.values(status.stores).some(({ state }) => state === "down");
    return {
      exitCode: isDown ? EXIT.failed : EXIT.ok,
      json: status,
      text: `${statusText(status)}\n\n${placeText(invocation, nodeId)}`,
    };
  },
};

/** The stores that answer, when PostgreSQL does not. Every other failure stays one. */
async function withoutLedger({ settings, signal }: Invocation, error: unknown): Promise<CommandResult> {
  if (!(error instanceof StoreUnavailableError) || error.store !== LEDGER_ID || signal.aborted) throw error;
  const stores = await storesWithoutLedger(connectOptions(settings), error.message, signal);
  return {
    exitCode: EXIT.failed,
    json: { error: describeError(error), stores },
    text: `${errorLine(error)}\n\n${storesText(stores)}\n\nthe backlog and the checks stand in PostgreSQL: unknown`,
  };
}

/** The parts of this node that may depend on the current directory. */
function placeText({ settings }: Invocation, nodeId: string): string {
  const directory = settingAt(settings, ["faiss", "directory"]);
  return `node              ${nodeId}\nvector index      ${typeof directory === "string" ? printable(directory) : "none"}`;
}

function statusText({ stores, backlog, lastCleanCheckAt, consistency }: Status): string {
  return [
    storesText(stores),
    "",
    `backlog           ${count(backlog.pending)} pending, ${count(backlog.failed)} failed, ${count(backlog.dead)} dead`,
    `last clean check  ${lastCleanCheckAt ?? "never"}`,
    ...(consistency === null ? [] : consistencyLines(consistency)),
  ].join("\n");
}

function consistencyLines({ checks, findings }: NonNullable<Status["consistency"]>): string[] {
  const open = findings.map(({ store, kind, count: number }) => `${count(number)} ${store} ${kind}`);
  const lines = [`open findings     ${open.length === 0 ? "none" : open.join(", ")}`];
  if (checks.length === 0) return lines;
  const heads = [
    { head: "check" },
    { head: "node" },
    { head: "compared", align: "right" as const },
    { head: "findings", align: "right" as const },
    { head: "done", align: "right" as const },
    { head: "rest", align: "right" as const },
    { head: "last clean" },
  ];
  const rows = checks.map((check) => [
    check.scope,
    check.nodeId,
    count(check.checked),
    count(check.findings),
    check.coverage === null ? "-" : `${Math.floor(check.coverage * 100)} %`,
    check.remainingMs === null ? "-" : duration(check.remainingMs),
    check.lastCleanAt ?? "never",
  ]);
  return [...lines, "", columns(heads, rows)];
}

/** The stores, each with the number of memories by its own count. @param indent characters in front of each line. */
export function storesText(stores: Status["stores"], indent = 0): string {
  const rows = Object.entries(stores).map(([store, { state, memories, reason }]) => [
    store,
    state,
    memories === null ? "?" : count(memories),
    reason ?? "",
  ]);
  const withReason = rows.some(([, , , reason]) => reason !== "");
  const heads = [
    { head: "store" },
    { head: "state", meaning: meaningOf },
    { head: "memories", align: "right" as const },
  ];
  return columns(
    withReason ? [...heads, { head: "reason" }] : heads,
    rows.map((row) => (withReason ? row : row.slice(0, 3))),
    { indent, overflow: "wrap" },
  );
}
