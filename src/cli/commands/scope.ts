import { type Command, Option } from "commander";
import type { CheckScope, ConsistencyReport, MemorySynchronizer } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { count } from "../output.ts";
import { startProgress } from "../progress.ts";

/** Adds `--scope` to a command that checks. */
export function addScopeFlag(command: Command): void {
  const what = "full: every memory's version and checksum in all three stores; deep: the data itself as well";
  command.addOption(new Option("--scope <scope>", what).choices(["full", "deep"]).default("full"));
}

/** Checks in the scope that was asked for, with progress where somebody watches. */
export async function checkWithProgress(sync: MemorySynchronizer, invocation: Invocation): Promise<ConsistencyReport> {
  const { signal } = invocation;
  const scope = invocation.flags.scope as CheckScope;
  // Only a deep check looks at every memory one by one, so only then does a total mean anything.
  const watched = process.stderr.isTTY && scope === "deep";
  const total = watched ? (await sync.status({ signal })).stores.postgres.memories : null;
  const progress = startProgress("checking", total, "{checked} compared, {findings} findings");
  try {
    return await sync.checkConsistency({
      scope,
      signal,
      onProgress: ({ checked, findings }) =>
        progress.update(checked, { checked: count(checked), findings: count(findings) }),
    });
  } finally {
    progress.stop();
  }
}
