import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { wholeNumber } from "./scope.ts";

export const namespacesCommand: CliCommand = {
  configure(command) {
    command.option("--limit <namespaces>", "namespaces of a page, 1 to 1000", wholeNumber, 1_000);
    command.option("--cursor <cursor>", "the cursor of the page before");
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const options = { limit: flags.limit as number, cursor: flags.cursor as string | undefined, signal };
    const page = await withSynchronizer(invocation, (sync) => sync.namespaces(options), withoutIndex);
    const more = page.cursor === null ? [] : ["", `more: --cursor ${page.cursor}`];
    const rows = page.namespaces.length === 0 ? ["no namespaces"] : page.namespaces;
    return { exitCode: EXIT.ok, json: page, text: [...rows, ...more].join("\n") };
  },
};
