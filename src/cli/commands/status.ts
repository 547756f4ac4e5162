import type { Status } from "../../index.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { columns, count } from "../output.ts";
import { withSynchronizer } from "../session.ts";

export const statusCommand: CliCommand = {
  name: "status",
  usage: "",
  summary: "show how each store is, what it holds, and what is not published yet",
  async run(invocation) {
    const status = await withSynchronizer(invocation, (sync) => sync.status({ signal: invocation.signal }));
    const isDown = Object.values(status.stores).some(({ state }) => state === "down");
    return { exitCode: isDown ? EXIT.failed : EXIT.ok, json: status, text: statusText(status) };
  },
};

function statusText({ stores, backlog, lastCleanCheckAt }: Status): string {
  return [
    storesText(stores),
    "",
    `backlog           ${count(backlog.pending)} pending, ${count(backlog.failed)} failed, ${count(backlog.dead)} dead`,
    `last clean check  ${lastCleanCheckAt ?? "never"}`,
  ].join("\n");
}

/** The stores with what each holds by its own count. */
export function storesText(stores: Status["stores"]): string {
  const rows = Object.entries(stores).map(([store, { state, memories, reason }]) => [
    store,
    state,
    memories === null ? "?" : count(memories),
    reason ?? "",
  ]);
  const withReason = rows.some(([, , , reason]) => reason !== "");
  const heads = [{ head: "store" }, { head: "state" }, { head: "memories", align: "right" as const }];
  return columns(
    withReason ? [...heads, { head: "reason" }] : heads,
    rows.map((row) => (withReason ? row : row.slice(0, 3))),
  );
}
