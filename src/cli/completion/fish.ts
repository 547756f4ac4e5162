import type { CompletedFlag, CompletionModel } from "./model.ts";

/** For `mnemosync completion fish | source`. */
export function fishScript({ commands, flags }: CompletionModel): string {
  const names = commands.map(({ name }) => name).join(" ");
  const none = "__fish_use_subcommand";
  return [
    "# mnemosync completion fish",
    ...commands.map(({ name, summary }) => `complete -c mnemosync -n ${none} -f -a ${name} -d ${quoted(summary)}`),
    `complete -c mnemosync -n ${none} -f -a help -d 'show the flags of a command, or the settings'`,
    `complete -c mnemosync -n '__fish_seen_subcommand_from help' -f -a ${quoted(`${names} settings`)}`,
    ...flags.map((flag) => line("", flag)),
    ...commands.flatMap(({ name, actions, flags: own }) => {
      const condition = ` -n '__fish_seen_subcommand_from ${name}'`;
      const words = actions.length > 0 ? [`complete -c mnemosync${condition} -f -a ${quoted(actions.join(" "))}`] : [];
      return [...words, ...own.map((flag) => line(condition, flag))];
    }),
  ].join("\n");
}

function line(condition: string, { names, description, takesValue, choices }: CompletedFlag): string {
  const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(" ");
  const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : takesValue ? " -r" : "";
  return `complete -c mnemosync${condition} ${flags}${value} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
