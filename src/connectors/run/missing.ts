import type { ConnectorState, KnownItem } from "../state/state.ts";
import type { Source } from "./source.ts";

export interface MissingItemsParts {
  readonly source: Pick<Source, "get">;
  readonly state: Pick<ConnectorState, "unseen" | "countImported">;
  readonly runId: string;
  /** Items that this run has seen and not kept, as in a dry run. */
  readonly seen: ReadonlyMap<string, string>;
  readonly allowMassDelete: boolean;
}

/** From so many items on, a run that would delete more than a fifth of what was imported stops and asks. */
const BRAKE_MIN = 10;
const BRAKE_SHARE = 0.2;
const PAGE_SIZE = 1_000;

/**
 * Imported items that the service has no more: a complete listing lacks them, and GET says 404 for each. Never from a listing
 * alone: taking "not listed" for "deleted" deleted nearly everything in a trial.
 * @param parts after a complete listing. @returns why none is to be deleted, where the brake stopped it.
 */
export async function missingItems(
  { source, state, runId, seen, allowMassDelete }: MissingItemsParts,
  signal: AbortSignal,
): Promise<{ readonly missing: readonly KnownItem[]; readonly stopped: string | null }> {
  const imported = await state.countImported();
  const allowed = allowMassDelete ? imported : Math.max(BRAKE_MIN - 1, Math.floor(imported * BRAKE_SHARE));
  const missing: KnownItem[] = [];
  for (const item of await unseenItems(state, runId, seen, signal)) {
    signal.throwIfAborted();
    if ((await source.get(item.id, signal)) !== null) continue;
    missing.push(item);
    if (missing.length <= allowed) continue;
    const share = `more than ${allowed} of ${imported} items are gone from the service`;
    return {
      missing: [],
      stopped: `${share}: nothing was deleted. Look there, and give --allow-mass-delete if that is right`,
    };
  }
  return { missing, stopped: null };
}

async function unseenItems(
  state: Pick<ConnectorState, "unseen">,
  runId: string,
  seen: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<KnownItem[]> {
  const found: KnownItem[] = [];
  let after = "";
  for (;;) {
    signal.throwIfAborted();
    const page = await state.unseen(runId, after, PAGE_SIZE);
    found.push(...page.filter(({ id }) => !seen.has(id)));
    if (page.length < PAGE_SIZE) return found;
    after = page.at(-1)?.id ?? "";
  }
}
