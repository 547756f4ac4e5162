import type { CliCommand } from "../command.ts";
import { bashScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
import { completionModel } from "../completion/model.ts";
import { zshScript } from "../completion/zsh.ts";
import { EXIT, UsageError } from "../exit.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const completionCommand: CliCommand = {
  async run({ args, commands, programOptions }) {
    const [shell = ""] = args;
    if (!Object.hasOwn(SCRIPTS, shell)) {
      throw new UsageError(`unknown shell ${JSON.stringify(shell)}: expected ${Object.keys(SCRIPTS).join(", ")}`);
    }
    const script = SCRIPTS[shell as keyof typeof SCRIPTS](await completionModel(commands, programOptions));
    return { exitCode: EXIT.ok, json: { shell, script }, text: script };
  },
};
