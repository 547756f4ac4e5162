import { Option } from "commander";
import { createKey, type KeyEntry, SCOPES } from "../../http/keys.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";

export const keyCommand: CliCommand = {
  configure(command) {
    command.addOption(new Option("--scope <scope>", "what the key permits").choices(SCOPES).default("read"));
    command.option(
      "--namespaces <names>",
      "the namespaces that the key is for, separated by commas, or * for all",
      "*",
    );
    command.option("--expires-at <time>", "ISO-8601; never by default");
  },
  async run(invocation) {
    const [id = ""] = invocation.args;
    const { scope, namespaces, expiresAt } = invocation.flags;
    const names = String(namespaces);
    const { key, entry } = createKey({
      id,
      scope: scope as KeyEntry["scope"],
      namespaces: names === "*" ? "*" : names.split(",").map((name) => name.trim()),
      ...(typeof expiresAt === "string" && { expiresAt }),
    });
    const text = [
      `key    ${key}`,
      "",
      'entry for the file that http.keysFile names, in its list: { "keys": [ … ] }',
      JSON.stringify(entry, null, 2),
    ].join("\n");
    return { exitCode: EXIT.ok, json: { key, entry }, text };
  },
};
