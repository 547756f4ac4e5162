import type { Backend } from "../drivers/postgres/postgres-access.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { pause, withDeadline } from "../runtime/deadline.ts";

/** The outcome of a transaction whose COMMIT got no answer. `unknown`: Postgres did not answer in time. */
export type CommitOutcome = "committed" | "aborted" | { readonly unknown: unknown };

/**
 * Asks the ledger until it can tell whether the transaction was committed.
 * @param backend the server process that was sent COMMIT.
 * @param timeoutMs milliseconds for all looks together.
 */
export async function settleInDoubt(
  ledger: Pick<LedgerStore, "outcomeOf">,
  transactionId: string,
  backend: Backend,
  timeoutMs: number,
): Promise<CommitOutcome> {
  const deadline = AbortSignal.timeout(timeoutMs);
  let lastError: unknown;
  // The fault that cut one connection may have cut idle ones too. Each look may meet a dead connection, so it must leave
  // time for others.
  let lookMs = timeoutMs / 6;
  for (let waitMs = 10; !deadline.aborted; waitMs = Math.min(waitMs * 2, 500), lookMs *= 2) {
    try {
      const outcome = await withDeadline(lookMs, deadline, (look) => ledger.outcomeOf(transactionId, backend, look));
      if (outcome !== "running") return outcome;
    } catch (error) {
      lastError = error;
    }
    await pause(waitMs, deadline);
  }
  return { unknown: lastError };
}
