import type { RunRecord } from "../../connectors/state/state.ts";
import { spaceRunDocument } from "../../documents/memory-space-documents.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { fetchedText } from "../commands/connector-texts.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { idOf, spaceOf } from "./spaces.ts";
import { withHome } from "./with-home.ts";

const EXIT_CODES: Readonly<Record<RunRecord["state"], ExitCode>> = {
  succeeded: EXIT.ok,
  partial: EXIT.partial,
  failed: EXIT.failed,
  cancelled: EXIT.failed,
  interrupted: EXIT.failed,
  running: EXIT.failed,
};

/** One run of a Memory Space: what is new, or all of it. */
export async function sync(invocation: Invocation, scope: "changes" | "full"): Promise<CommandResult> {
  const { flags } = invocation;
  const dryRun = flags.dryRun === true;
  return await withHome(invocation, !dryRun, async (home) => {
    const definition = await spaceOf(home, invocation);
    const run = await home.sync(idOf(invocation), definition, {
      ...{ scope, dryRun, force: flags.force === true, allowMassDelete: flags.allowMassDelete === true },
      limit: typeof flags.limit === "number" ? flags.limit : null,
    });
    return "running" in run ? refused(run.running) : ended(run, dryRun);
  });
}

function refused(running: RunRecord): CommandResult {
  const text = `a run of another process goes on since ${new Date(running.startedAt).toISOString()}: nothing was done`;
  return { exitCode: EXIT.failed, json: { run: spaceRunDocument(running), dryRun: false }, text };
}

function ended(run: RunRecord, dryRun: boolean): CommandResult {
  const text = [sentence(run, dryRun), ...reasons(run)].join("\n");
  return { exitCode: EXIT_CODES[run.state], json: { run: spaceRunDocument(run), dryRun }, text };
}

function sentence({ state, counts, startedAt, endedAt }: RunRecord, dryRun: boolean): string {
  const { read, created, updated, unchanged, deleted, erased, failed } = counts;
  const took = duration((endedAt ?? startedAt) - startedAt);
  const parts = [`${count(created)} new`, `${count(updated)} changed`, `${count(unchanged)} unchanged`];
  if (deleted > 0) parts.push(`${count(deleted)} deleted`);
  if (erased > 0) parts.push(`${count(erased)} erased here and left alone`);
  if (failed > 0) parts.push(`${count(failed)} failed`);
  if (counts.media > 0) parts.push(fetchedText(counts));
  const head = dryRun ? "nothing was written; a run would have" : state;
  return `${head}: ${counted(read, "item")} read in ${took}: ${parts.join(", ")}`;
}

function reasons({ error, counts }: RunRecord): string[] {
  const why = error === null ? [] : [`${error.code}: ${error.message}`];
  return counts.failed > 0 ? [...why, "what failed is kept with its reason, and looked at again by later runs"] : why;
}
