import { collectMedia } from "../../connectors/media/collect-media.ts";
import { MemorySpaceSource } from "../../connectors/memory-space/source.ts";
import { runSource } from "../../connectors/run/source-run.ts";
import type { RunCounts, RunRecord } from "../../connectors/state/state.ts";
import { spaceRunDocument } from "../../documents/memory-space-documents.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { count, counted, duration } from "../output.ts";
import { startProgress } from "../progress.ts";
import { clientOf, idOf, mediaFolderOf, spaceOf } from "./spaces.ts";
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
  const { flags, signal } = invocation;
  const dryRun = flags.dryRun === true;
  return await withHome(invocation, !dryRun, async (home) => {
    const definition = await spaceOf(home, invocation);
    const state = await home.state(idOf(invocation));
    const { namespace } = definition.to;
    const { mapping, media } = definition;
    const folder = mediaFolderOf(home, idOf(invocation));
    const source = new MemorySpaceSource(clientOf(definition, invocation), { namespace, ...mapping, media }, folder);
    // A listing does not say how many items it has: a full one has about as many as were imported.
    const imported = scope === "full" ? await state.countImported() : 0;
    const progress = await startProgress("reading", imported === 0 ? null : imported, "{read} read, {written} written");
    const onProgress = (counts: RunCounts) =>
      progress.update(Math.min(counts.read, imported), {
        read: count(counts.read),
        written: count(counts.created + counts.updated),
      });
    const options = {
      ...{ scope, dryRun, force: flags.force === true, allowMassDelete: flags.allowMassDelete === true },
      ...(typeof flags.limit === "number" && { limit: flags.limit }),
    };
    try {
      const run = await runSource({ source, target: home.target(namespace), state, onProgress }, options, signal);
      // Also where none is fetched any more: what was fetched before goes with its memories.
      if (!dryRun && !("running" in run)) await collectMedia(folder, home.metadataOf, signal);
      return "running" in run ? refused(run.running) : ended(run, dryRun);
    } finally {
      progress.stop();
      await state.close();
    }
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
  const head = dryRun ? "nothing was written; a run would have" : state;
  return `${head}: ${counted(read, "item")} read in ${took}: ${parts.join(", ")}`;
}

function reasons({ error, counts }: RunRecord): string[] {
  const why = error === null ? [] : [`${error.code}: ${error.message}`];
  return counts.failed > 0 ? [...why, "what failed is kept with its reason, and looked at again by later runs"] : why;
}
