import { type Command, InvalidArgumentError, Option } from "commander";
import { CHECK_SCOPES, type CheckScope, type ConsistencyReport, type MemorySynchronizer } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";
import { count, printable } from "../output.ts";
import { startProgress } from "../progress.ts";

/** Adds the flags of every command that checks. */
export function addScopeFlags(command: Command): void {
  const what =
    "quick: what changed since the last quick pass; full: every memory's version and checksum in all stores; " +
    "deep: the data itself as well";
  command.addOption(new Option("--scope <scope>", what).choices(CHECK_SCOPES).default("full"));
  command.option("--store <id...>", "compare these stores only (mnemosync status lists them; default all)");
  command.option("--rate <memories>", "memories to compare per second, at most", wholeNumber);
  command.option("--fresh", "start from the beginning, even if an earlier check was interrupted");
}

/** @param others ids that are accepted beside those of the stores. @throws {UsageError} A store is not connected. */
export function checkStores(
  sync: MemorySynchronizer,
  flag: string,
  stores: readonly string[] = [],
  others: readonly string[] = [],
): void {
  const known = [...Object.keys(sync.health()), ...others];
  const unknown = stores.find((store) => !known.includes(store));
  if (unknown === undefined) return;
  throw new UsageError(`${flag} ${printable(unknown, 63)}: there is no such store; expected ${known.join(", ")}`);
}

export function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1.");
  return Number(text);
}

/** Checks in the scope of the flags, with a progress line on a terminal. */
export async function checkWithProgress(sync: MemorySynchronizer, invocation: Invocation): Promise<ConsistencyReport> {
  const { signal, flags } = invocation;
  const scope = flags.scope as CheckScope;
  const stores = flags.store as readonly string[] | undefined;
  checkStores(sync, "--store", stores);
  const rate = flags.rate as number | undefined;
  // Only a deep check compares every memory one by one, so a total means something only there.
  const watched = process.stderr.isTTY && scope === "deep";
  const total = watched ? (await sync.status({ signal })).stores.postgres.memories : null;
  const progress = await startProgress("checking", total, "{checked} compared, {findings} findings");
  try {
    return await sync.checkConsistency({
      scope,
      ...(stores !== undefined && { stores }),
      ...(rate !== undefined && { memoriesPerSecondMax: rate }),
      resume: flags.fresh !== true,
      signal,
      onProgress: ({ checked, findings }) =>
        progress.update(checked, { checked: count(checked), findings: count(findings) }),
    });
  } finally {
    progress.stop();
  }
}
