import type { CompletedFlag, CompletionModel } from "./model.ts";

/** For `source <(mnemosync completion zsh)`, or as the file `_mnemosync` in a folder of `fpath`. */
export function zshScript({ commands, flags }: CompletionModel): string {
  const names = commands.map(({ name }) => name);
  return [
    "#compdef mnemosync",
    "_mnemosync() {",
    "  local -a items",
    '  local command="" word',
    "  for word in ${words[2,CURRENT-1]}; do",
    `    case $word in ${[...names, "help"].join("|")}) command=$word; break ;; esac`,
    "  done",
    '  case "$command ${words[CURRENT-1]}" in',
    ...commands.flatMap(({ name, actions, flags: own }) => [
      ...(actions.length > 0 ? [`    '${name} ${name}') compadd ${actions.join(" ")}; return ;;`] : []),
      ...choiceLines(own, name),
    ]),
    `    'help help') compadd ${[...names, "settings"].join(" ")}; return ;;`,
    ...choiceLines(flags, "*"),
    "  esac",
    "  if [[ $PREFIX == -* ]]; then",
    `    items=(${described(flags)})`,
    "    case $command in",
    ...commands
      .filter(({ flags: own }) => own.length > 0)
      .map(({ name, flags: own }) => `      ${name}) items+=(${described(own)}) ;;`),
    "    esac",
    "    _describe -o flag items",
    "  elif [[ -z $command ]]; then",
    `    items=(${commands.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(" ")})`,
    "    _describe command items",
    "  else",
    "    _files",
    "  fi",
    "}",
    'if [[ $funcstack[1] == _mnemosync ]]; then _mnemosync "$@"; else compdef _mnemosync mnemosync; fi',
  ].join("\n");
}

function choiceLines(flags: readonly CompletedFlag[], command: string): string[] {
  return flags
    .filter(({ choices }) => choices.length > 0)
    .flatMap(({ names, choices }) =>
      names.map((name) => {
        const pattern = command === "*" ? `*' ${name}'` : `'${command} ${name}'`;
        return `    ${pattern}) compadd ${choices.join(" ")}; return ;;`;
      }),
    );
}

function described(flags: readonly CompletedFlag[]): string {
  return flags.flatMap(({ names, description }) => names.map((name) => quoted(`${name}:${description}`))).join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
