import { deployedStoreDocument } from "../../documents/store-documents.ts";
import type { DeployedStore, MemorySynchronizer } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { count, counted } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";

type Action = (sync: MemorySynchronizer, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (sync, { signal }) => {
    const stores = await sync.stores.list({ signal });
    const text = stores.length === 0 ? "the deployment has no shared store" : table(stores);
    return { exitCode: EXIT.ok, json: { stores: stores.map(deployedStoreDocument) }, text };
  },
  show: async (sync, invocation) => {
    const store = await sync.stores.show(named(invocation, "show"), { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: deployedStoreDocument(store), text: table([store]) };
  },
  forget: async (sync, invocation) => {
    const store = await sync.stores.forget(named(invocation, "forget"), { signal: invocation.signal });
    const backlog = store.queued === 0 ? "" : `, with a backlog of ${counted(store.queued, "memory", "memories")}`;
    const text = `${store.id} is forgotten${backlog}; the data that it holds stay where they are`;
    return { exitCode: EXIT.ok, json: { forgotten: deployedStoreDocument(store) }, text };
  },
};

export const storeCommand: CliCommand = {
  async run(invocation) {
    const [action = "list"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    return await withSynchronizer(invocation, (sync) => act(sync, invocation), withoutIndex);
  },
};

function named({ args }: Invocation, action: string): string {
  const [, id] = args;
  if (id === undefined) throw new UsageError(`store ${action} needs the store's id: mnemosync store ${action} <id>`);
  return id;
}

function table(stores: readonly DeployedStore[]): string {
  const heads = [
    { head: "store" },
    { head: "holds" },
    { head: "registered" },
    { head: "filled" },
    { head: "queued", align: "right" as const },
    { head: "run by" },
  ];
  const rows = stores.map(({ id, holds, registeredAt, filledAt, queued, nodes }) => [
    id,
    holds.join(", "),
    timeText(Date.parse(registeredAt)),
    filledAt === null ? "being filled" : timeText(Date.parse(filledAt)),
    count(queued),
    nodes.join(", ") || "no node",
  ]);
  return columns(heads, rows);
}
