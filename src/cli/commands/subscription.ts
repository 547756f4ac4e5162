import { Option } from "commander";
import { deadLettersDocument, subscriptionsDocument } from "../../documents/subscription-documents.ts";
import { FEED_READINGS, type FeedReading } from "../../feed/feed-filter.ts";
import type { DeadLetter, MemorySynchronizer, Subscription, SubscriptionInput } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { counted } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { meaningOf, timeText } from "../terminal.ts";
import { addWhereFlag, whereOf } from "../where.ts";

type Action = (subscriptions: MemorySynchronizer["subscriptions"], invocation: Invocation) => Promise<CommandResult>;
type From = "start" | "now" | undefined;

const LIST_MAX = 100;

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (subscriptions, { signal }) => {
    const found = await subscriptions.list({ limit: LIST_MAX, signal });
    for (let page = found; page.length === LIST_MAX; ) {
      const after = page.at(-1)?.id;
      page = await subscriptions.list({ limit: LIST_MAX, after, signal });
      found.push(...page);
    }
    const exitCode = found.some(({ pausedReason }) => pausedReason !== null && pausedReason !== "asked")
      ? EXIT.findings
      : EXIT.ok;
    const text = found.length === 0 ? "there are no subscriptions" : table(found);
    return { exitCode, json: subscriptionsDocument(found, Number.POSITIVE_INFINITY), text };
  },
  show: async (subscriptions, invocation) => {
    const found = await subscriptions.get(idOf(invocation), { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: found, text: details(found) };
  },
  add: async (subscriptions, invocation) => {
    const { args, flags, signal } = invocation;
    const url = args[1];
    if (url === undefined)
      throw new UsageError("subscription add needs the receiver's address: subscription add <url>");
    const made = await subscriptions.create(inputOf(url, invocation), {
      owner: typeof flags.owner === "string" ? flags.owner : "operator",
      from: flags.from as From,
      signal,
    });
    const text = `id      ${made.id}\nsecret  ${made.secret}\n\nKeep the secret now: it is shown this once`;
    return { exitCode: EXIT.ok, json: made, text };
  },
  replace: async (subscriptions, invocation) => {
    const { args, flags, signal } = invocation;
    const id = idOf(invocation);
    const url = args[2] ?? (await subscriptions.get(id, { signal })).url;
    const call = { from: flags.from as From, signal };
    return shown(await subscriptions.replace(id, inputOf(url, invocation), call));
  },
  delete: async (subscriptions, invocation) => {
    const id = idOf(invocation);
    await subscriptions.delete(id, { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { deleted: id }, text: `${id} is deleted` };
  },
  pause: async (subscriptions, invocation) =>
    shown(await subscriptions.pause(idOf(invocation), { signal: invocation.signal })),
  resume: async (subscriptions, invocation) => {
    const { flags, signal } = invocation;
    return shown(await subscriptions.resume(idOf(invocation), { from: flags.from as From, signal }));
  },
  "rotate-secret": async (subscriptions, invocation) => {
    const made = await subscriptions.rotateSecret(idOf(invocation), { signal: invocation.signal });
    const text = `secret  ${made.secret}\n\nKeep the secret now: it is shown this once. The old one signs until ${made.previousSecretUntil}`;
    return { exitCode: EXIT.ok, json: made, text };
  },
  test: async (subscriptions, invocation) => {
    const delivery = await subscriptions.test(idOf(invocation), { signal: invocation.signal });
    const { accepted, status, error, milliseconds } = delivery;
    const text = accepted ? `accepted with ${status} after ${milliseconds} ms` : `not accepted: ${error}`;
    return { exitCode: accepted ? EXIT.ok : EXIT.findings, json: delivery, text };
  },
  "dead-letters": async (subscriptions, invocation) => {
    const letters = await subscriptions.deadLetters(idOf(invocation), { limit: 1_000, signal: invocation.signal });
    const text = letters.length === 0 ? "there are no dead letters" : deadTable(letters);
    return { exitCode: letters.length === 0 ? EXIT.ok : EXIT.findings, json: deadLettersDocument(letters), text };
  },
  replay: async (subscriptions, invocation) => {
    const replayed = await subscriptions.replay(idOf(invocation), { ...named(invocation), signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { replayed }, text: `${counted(replayed, "dead letter")} due again` };
  },
  drop: async (subscriptions, invocation) => {
    const dropped = await subscriptions.drop(idOf(invocation), { ...named(invocation), signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { dropped }, text: `${counted(dropped, "dead letter")} forgotten` };
  },
};

export const subscriptionCommand: CliCommand = {
  configure(command) {
    const collect = (name: string, names: readonly string[] = []): readonly string[] => [...names, name];
    command.option("--topic <name>", "with add, replace: change (default), drift, health, …; may be repeated", collect);
    command.option("--namespace <name>", "with add, replace: only changes of this tenant; may be repeated", collect);
    addWhereFlag(command);
    command.addOption(
      new Option("--reading <reading>", "with add, replace: of each memory the latest versions, or each one").choices(
        FEED_READINGS,
      ),
    );
    command.option("--embeddings", "with add, replace: messages include the vectors");
    command.option("--description <text>", "with add, replace: a line for people");
    command.option("--owner <name>", "with add: the caller whose quota it counts to (default operator)");
    command.addOption(
      new Option("--from <place>", "with add, replace, resume: changes from the start, or from now on").choices([
        "start",
        "now",
      ]),
    );
  },
  async run(invocation) {
    const [action = "list"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    return await withSynchronizer(invocation, (sync) => act(sync.subscriptions, invocation), withoutIndex);
  },
};

function inputOf(url: string, invocation: Invocation): SubscriptionInput {
  const { topic, namespace, reading, embeddings, description } = invocation.flags;
  return {
    url,
    ...(topic !== undefined && { topics: topic as readonly string[] }),
    ...(namespace !== undefined && { namespaces: namespace as readonly string[] }),
    ...whereOf(invocation),
    ...(reading !== undefined && { reading: reading as FeedReading }),
    ...(embeddings === true && { embeddings }),
    ...(typeof description === "string" && { description }),
  };
}

function idOf({ args }: Invocation): string {
  const [action, id] = args;
  if (id === undefined) throw new UsageError(`subscription ${action} needs the id: mnemosync subscription list has it`);
  return id;
}

/** The messages behind the subscription's id; none: all. */
function named({ args }: Invocation): { ids?: readonly string[] } {
  const ids = args.slice(2);
  return ids.length === 0 ? {} : { ids };
}

function shown(subscription: Subscription): CommandResult {
  return { exitCode: EXIT.ok, json: subscription, text: details(subscription) };
}

function stateText({ state, pausedReason }: Subscription): string {
  return pausedReason === null ? state : `${state} (${pausedReason})`;
}

function table(subscriptions: readonly Subscription[]): string {
  const heads = [
    { head: "state", meaning: meaningOf },
    { head: "id", whole: true },
    ...["owner", "topics", "url"].map((head) => ({ head })),
    { head: "delivered", align: "right" as const },
    { head: "dead", align: "right" as const },
  ];
  const rows = subscriptions.map((subscription) => {
    const { id, owner, topics, url, delivered, dead } = subscription;
    return [stateText(subscription), id, owner, topics.join(","), url, String(delivered), String(dead)];
  });
  return columns(heads, rows);
}

function details(subscription: Subscription): string {
  const { state: _, pausedReason: __, where, topics, namespaces, ...rest } = subscription;
  const lines: readonly [string, unknown][] = [
    ["state", stateText(subscription)],
    ["topics", topics.join(", ")],
    ["namespaces", namespaces?.join(", ") ?? "all"],
    ["where", where === null ? "every memory" : JSON.stringify(where)],
    ...Object.entries(rest).filter(([, value]) => value !== null && value !== ""),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join("\n");
}

function deadTable(letters: readonly DeadLetter[]): string {
  const heads = [
    { head: "id", whole: true },
    ...["type", "memory", "attempts", "since", "last error"].map((head) => ({ head })),
  ];
  const rows = letters.map(({ id, type, memory, attempts, createdAt, lastError }) => [
    id,
    type,
    memory === null ? "" : `${memory.namespace}/${memory.memoryId}@${memory.version}`,
    String(attempts),
    timeText(Date.parse(createdAt)),
    lastError ?? "",
  ]);
  return columns(heads, rows);
}
