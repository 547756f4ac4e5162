import { LEDGER_ID } from "../../../domain/store-id.ts";
import { ApiError } from "../../api/api-error.ts";
import { type Api, pathOf } from "../../api/client.ts";
import type { Conflict, RepairDetail } from "../../api/documents.ts";
import { CONFLICT_KINDS } from "../drift/finding-kinds.ts";

/** What a person can decide about a conflict: the body of the order. */
export type Decision = { readonly choose: string } | { readonly remove: true } | OwnContent;

export interface OwnContent {
  readonly content: string;
  readonly memoryType: string;
  readonly importance?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly privacy?: string;
  readonly expiresAt?: string;
}

export type Side = "ledger" | "found";

/** The decision for a side. Where the ledger does not know the memory, its side is that there is none. */
export function decisionFor({ store, ledgerVersion }: Pick<Conflict, "store" | "ledgerVersion">, side: Side): Decision {
  if (side === "found") return { choose: store };
  return ledgerVersion === null ? { remove: true } : { choose: LEDGER_ID };
}

/** Whether a person can decide it: the others are decided, or are repairs that were cut short. */
export function isOpen({ state, kind, store }: Pick<Conflict, "state" | "kind" | "store">): boolean {
  return state === "pending" && CONFLICT_KINDS.has(kind) && store !== LEDGER_ID;
}

/** Carries out a decision. @returns what came of it. */
export async function decide(api: Api, id: string, decision: Decision): Promise<RepairDetail> {
  return await api.post<RepairDetail>(pathOf("v1", "conflicts", id, "resolve"), decision, { timeoutMs: 60_000 });
}

/** What came of the decision about one of many. */
export interface Decided {
  readonly conflict: Conflict;
  readonly outcome: RepairDetail["outcome"] | "refused";
  readonly note: string;
}

/**
 * Decides conflicts one after the other, since decisions about one memory must not race. A refused one does not stop the others; a
 * service that does not answer, or no longer takes the key, does.
 * @param onDecided called after each.
 * @param signal fires: none is begun any more. The one that is under way ends.
 */
export async function decideMany(
  api: Api,
  conflicts: readonly Conflict[],
  side: Side,
  onDecided: (decided: Decided) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const conflict of conflicts) {
    if (signal.aborted) return;
    try {
      const { outcome, note } = await decide(api, conflict.id, decisionFor(conflict, side));
      onDecided({ conflict, outcome, note });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || error.status === 401) throw error;
      onDecided({ conflict, outcome: "refused", note: error.message });
    }
  }
}
