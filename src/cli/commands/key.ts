import { Option } from "commander";
import { settingAt } from "../../config/settings.ts";
import { createKey } from "../../http/keys.ts";
import { addKey, isExpired, type KeyEntry, readKeys, revokeKey, SCOPES } from "../../http/keys-file.ts";
import { ConfigurationError, NotFoundError } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";

type Action = (path: string, id: string | undefined, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async add(path, id, { flags }) {
    const { key, entry } = createKey({
      id: named(id, "add"),
      scope: flags.scope as KeyEntry["scope"],
      namespaces: namespacesOf(flags),
      ...(typeof flags.owner === "string" && { owner: flags.owner }),
      ...(typeof flags.expiresAt === "string" && { expiresAt: inFuture(flags.expiresAt) }),
    });
    await addKey(path, entry);
    const text = `key    ${key}\n\nadded to ${path}. Keep the key now: it is shown this once, and the file has its hash only`;
    return { exitCode: EXIT.ok, json: { key, entry, file: path }, text };
  },
  async list(path) {
    const keys = (await readKeys(path)).map((entry) => {
      const { id, owner = id, scope, namespaces, expiresAt = null } = entry;
      return { id, owner, scope, namespaces, expiresAt, expired: isExpired(entry, Date.now()) };
    });
    const heads = [{ head: "id" }, { head: "owner" }, { head: "scope" }, { head: "namespaces" }, { head: "expires" }];
    const rows = keys.map(({ id, owner, scope, namespaces, expiresAt, expired }) => [
      ...[id, owner, scope, namespaces === "*" ? "all" : namespaces.join(",")],
      `${expiresAt ?? "never"}${expired ? " (expired)" : ""}`,
    ]);
    return { exitCode: EXIT.ok, json: { keys }, text: keys.length === 0 ? "no keys" : columns(heads, rows) };
  },
  async revoke(path, given) {
    const id = named(given, "revoke");
    if (await revokeKey(path, id)) {
      const text = `${id} revoked: a running service refuses it within 5 s`;
      return { exitCode: EXIT.ok, json: { revoked: id }, text };
    }
    throw new NotFoundError(`${path} has no key ${JSON.stringify(id)}: mnemosync key list shows its keys`);
  },
};

export const keyCommand: CliCommand = {
  configure(command) {
    command.addOption(new Option("--scope <scope>", "with add: what the key permits").choices(SCOPES).default("read"));
    command.option("--namespaces <names>", "with add: the namespaces that the key is for, separated by commas");
    command.option("--all-namespaces", "with add: the key is for every namespace, also for those that come later");
    command.option("--owner <name>", "with add: the caller that the key belongs to, kept when the key is renewed");
    command.option("--expires-at <time>", "with add: ISO-8601; never by default");
  },
  async run(invocation) {
    const [action = "", id] = invocation.args;
    const act = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (act === undefined) {
      throw new UsageError(
        `unknown action ${JSON.stringify(action)}: expected add <id>, list or revoke <id>, e.g. ` +
          "mnemosync key add reader --namespaces default",
      );
    }
    return await act(keysFile(invocation), id, invocation);
  },
};

/** The file that the service reads. */
function keysFile({ settings }: Invocation): string {
  const path = settingAt(settings, ["http", "keysFile"]);
  if (typeof path === "string" && path !== "") return path;
  throw new ConfigurationError(
    "no setting names the keys file: give --http-keys-file, or set MNEMOSYNC_HTTP_KEYS_FILE, as for mnemosync serve",
  );
}

function named(id: string | undefined, action: string): string {
  if (id === undefined) throw new UsageError(`the key has no id: mnemosync key ${action} <id>`);
  return id;
}

/** Without a default: a key for every tenant must be asked for. */
function namespacesOf({ namespaces, allNamespaces }: Invocation["flags"]): KeyEntry["namespaces"] {
  if (typeof namespaces === "string" && allNamespaces === true) {
    throw new UsageError("--namespaces and --all-namespaces contradict each other: give one of them");
  }
  if (allNamespaces === true) return "*";
  if (typeof namespaces !== "string") {
    throw new UsageError(
      "the key's namespaces are missing: give --namespaces tenant-a,tenant-b, or --all-namespaces for every tenant",
    );
  }
  if (namespaces.trim() === "*")
    throw new UsageError("--namespaces takes names: give --all-namespaces for every tenant");
  return namespaces.split(",").map((name) => name.trim());
}

function inFuture(time: string): string {
  if (Date.parse(time) > Date.now()) return time;
  throw new UsageError(`--expires-at ${time}: expected a time in the future, e.g. 2030-01-31T00:00:00Z`);
}
