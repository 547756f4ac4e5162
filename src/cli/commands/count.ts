import { countDocument } from "../../documents/find-documents.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { counted } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { ToldSources } from "../told-sources.ts";
import { addWhereFlag, whereOf } from "../where.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";
import { wholeNumber } from "./scope.ts";

export const countCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    addWhereFlag(command);
    command.option("--estimate", "the guess of PostgreSQL's planner, at once");
    command.option("--timeout-ms <milliseconds>", "time to count in", wholeNumber);
  },
  async run(invocation) {
    const { flags, signal } = invocation;
    const options = {
      ...inNamespace(invocation),
      ...whereOf(invocation),
      estimate: flags.estimate === true,
      timeoutMs: flags.timeoutMs as number | undefined,
      signal,
      onSources: new ToldSources(invocation).tell,
    };
    const result = await withSynchronizer(invocation, (sync) => sync.count(options), withoutIndex);
    const about = result.estimate ? "about " : "";
    return {
      exitCode: EXIT.ok,
      json: countDocument(result),
      text: `${about}${counted(result.count, "memory", "memories")}`,
    };
  },
};
