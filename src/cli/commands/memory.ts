import { Option } from "commander";
import { DIALECTS } from "../../connectors/memory-space/dialect.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { HOME_KINDS } from "../memory-space/home.ts";
import { namedAction } from "../named-action.ts";
import { addNamespaceFlag } from "./namespace.ts";
import { wholeNumber } from "./scope.ts";

type Action = (invocation: Invocation) => Promise<CommandResult>;

const settingUp = async () => await import("../memory-space/setting-up.ts");
const running = async () => await import("../memory-space/running.ts");
const reading = async () => await import("../memory-space/reading.ts");
const files = async () => await import("../memory-space/files.ts");

const ACTIONS: Readonly<Record<string, Action>> = {
  add: async (invocation) => await (await settingUp()).add(invocation),
  remove: async (invocation) => await (await settingUp()).remove(invocation),
  ping: async (invocation) => await (await settingUp()).ping(invocation),
  sync: async (invocation) => await (await running()).sync(invocation, "changes"),
  resync: async (invocation) => await (await running()).sync(invocation, "full"),
  list: async (invocation) => await (await reading()).list(invocation),
  view: async (invocation) => await (await reading()).view(invocation),
  media: async (invocation) => await (await files()).media(invocation),
  log: async (invocation) => await (await reading()).log(invocation),
};

/** A Memory Space in few words: what `connector` does for any service. */
export const memoryCommand: CliCommand = {
  configure(command) {
    command.option("--id <name>", "which Memory Space, where there are several", "memory-space");
    command.addOption(
      new Option("--into <home>", "where its memories go: a deployment, or the file of an edge").choices(HOME_KINDS),
    );
    addNamespaceFlag(command, "with add");
    command.option("--url <address>", "with add and ping: address of the service");
    command.option("--user-context <id>", "with add and ping: whose memories, e.g. 107677460544181387647___mft");
    command.option("--tags <names>", "with add: items with one of these tags only, separated by commas");
    command.option("--api-key-env <variable>", "with add and ping: the variable that has the key; the key is not kept");
    command.addOption(
      new Option("--dialect <name>", "with add and ping: what the service filters by").choices(["auto", ...DIALECTS]),
    );
    command.option("--media <kinds>", "with add: files that are downloaded: audio, image, or audio,image");
    command.option("--media-tags <names>", "with add: files of items with one of these tags only");
    command.option("--output <file>", "with media <memory> [kind]: copies the file there");
    command.option("--force", "with sync and resync: import items again although they say what they said");
    command.option("--limit <count>", "with sync: items to import; with list, view and log: lines", wholeNumber);
    command.option("--allow-mass-delete", "with resync: delete also where that is more than a fifth");
    command.option("--dry-run", "with sync and resync: count what would be done, and do nothing");
    command.option("--deleted", "with list: items that the service has no more");
    command.option("--cursor <cursor>", "with list: the cursor of the page before");
    command.option("--today", "with view: today, in the time zone of this process; the default");
    command.option("--week", "with view: this week, from Monday on");
    command.option("--month", "with view: this month");
  },
  async run(invocation) {
    return await namedAction(ACTIONS, invocation.args[0] ?? "list")(invocation);
  },
};
