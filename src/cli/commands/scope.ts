import { type Command, InvalidArgumentError, Option } from "commander";
import { CHECK_SCOPES, type CheckScope, type ConsistencyReport, type MemorySynchronizer } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { count } from "../output.ts";
import { startProgress } from "../progress.ts";

export const STORE_NAMES = ["postgres", "redis", "faiss"] as const;

type StoreId = (typeof STORE_NAMES)[number];

/** Adds the flags of every command that checks. */
export function addScopeFlags(command: Command): void {
  const what =
    "quick: what changed since the last quick pass; full: every memory's version and checksum in all three stores; " +
    "deep: the data itself as well";
  command.addOption(new Option("--scope <scope>", what).choices(CHECK_SCOPES).default("full"));
  command.addOption(
    new Option("--store <store...>", "look at these stores only, beside the ledger's versions").choices(STORE_NAMES),
  );
  command.option("--rate <memories>", "memories to compare per second, at most", wholeNumber);
  command.option("--fresh", "start from the beginning, where an earlier check was cut short");
}

export function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1.");
  return Number(text);
}

/** Checks in the scope that was asked for, with progress where somebody watches. */
export async function checkWithProgress(sync: MemorySynchronizer, invocation: Invocation): Promise<ConsistencyReport> {
  const { signal, flags } = invocation;
  const scope = flags.scope as CheckScope;
  const stores = flags.store as readonly StoreId[] | undefined;
  const rate = flags.rate as number | undefined;
  // Only a deep check looks at every memory one by one, so only then does a total mean anything.
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
