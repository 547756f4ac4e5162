import type { CompletedFlag, CompletionModel } from "./model.ts";

/** For `source <(mnemosync completion bash)`. Needs no package of completions. */
export function bashScript({ commands, flags }: CompletionModel): string {
  const names = commands.map(({ name }) => name);
  return [
    "# mnemosync completion bash",
    "_mnemosync() {",
    '  local current="${COMP_WORDS[COMP_CWORD]}" previous="" command="" index',
    '  (( COMP_CWORD > 0 )) && previous="${COMP_WORDS[COMP_CWORD-1]}"',
    "  for (( index = 1; index < COMP_CWORD; index++ )); do",
    '    case "${COMP_WORDS[index]}" in',
    `      ${[...names, "help"].join("|")}) command="\${COMP_WORDS[index]}"; break ;;`,
    "    esac",
    "  done",
    '  case "$command $previous" in',
    ...commands.flatMap(({ name, actions, flags: own }) => [
      ...(actions.length > 0 ? [reply(`"${name} ${name}"`, actions)] : []),
      ...choicesOf(own).map(({ flag, choices }) => reply(`"${name} ${flag}"`, choices)),
    ]),
    `    ${reply('"help help"', [...names, "settings"]).trim()}`,
    "  esac",
    '  case "$previous" in',
    ...choicesOf(flags).map(({ flag, choices }) => reply(flag, choices)),
    "  esac",
    '  if [[ "$current" == -* ]]; then',
    `    local flags="${words(flags)}"`,
    '    case "$command" in',
    ...commands
      .filter(({ flags: own }) => own.length > 0)
      .map(({ name, flags: own }) => `      ${name}) flags="${words(own)} $flags" ;;`),
    "    esac",
    '    COMPREPLY=($(compgen -W "$flags" -- "$current"))',
    '  elif [[ -z "$command" ]]; then',
    `    COMPREPLY=($(compgen -W "${[...names, "help"].join(" ")}" -- "$current"))`,
    "  fi",
    "}",
    "complete -o default -F _mnemosync mnemosync",
  ].join("\n");
}

function reply(pattern: string, choices: readonly string[]): string {
  return `    ${pattern}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`;
}

function choicesOf(flags: readonly CompletedFlag[]): { flag: string; choices: readonly string[] }[] {
  return flags
    .filter(({ choices }) => choices.length > 0)
    .flatMap(({ names, choices }) => names.map((flag) => ({ flag, choices })));
}

function words(flags: readonly CompletedFlag[]): string {
  return flags.flatMap(({ names }) => names).join(" ");
}
