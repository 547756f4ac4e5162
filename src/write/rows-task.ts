import type { TakenKey } from "../ledger/idempotency-statements.ts";
import type { Claiming, LedgerTransaction } from "../ledger/ledger-transaction.ts";
import type { TransactionToken } from "../ledger/write-statements.ts";
import type { KnownRows } from "./known-rows.ts";
import type { NewGuess } from "./new-guess.ts";
import type { Decision, WriteDecision, WriteIntent } from "./plan.ts";
import type { Obstacle, Preparation } from "./preparation.ts";
import type { OnWriteStep } from "./write-step.ts";

/** What writing the rows of one attempt needs. */
export interface RowsTask {
  readonly transaction: LedgerTransaction;
  readonly intents: readonly WriteIntent[];
  /** As `Chunk.atomic`. */
  readonly atomic: boolean;
  readonly claiming: Claiming | undefined;
  readonly token: TransactionToken;
  readonly preparation: Preparation;
  readonly known: KnownRows;
  /** Undefined: no large chunk is guessed about. */
  readonly newGuess: NewGuess | undefined;
  /** Undefined: the memories of pushed changes are not taken for new. */
  readonly pushGuess?: NewGuess | undefined;
  /** See `decide`. False: the ledger is asked whether there is a replica. */
  readonly endsUnknown: boolean;
  readonly onStep: OnWriteStep | undefined;
  /** Undefined: the row of a lone memory is not sent with its COMMIT. */
  readonly alone?: AloneCommit | undefined;
}

/** Told when COMMIT goes out together with the row that it commits. */
export interface AloneCommit {
  /** Before it: from now on a lost connection leaves in doubt whether `decision` is carried out, and at what time. */
  beginning(decision: WriteDecision): Promise<void>;
  /** It ended, and nothing was written. */
  ended(): void;
}

/**
 * How the first round trip ended. After every kind but `written` and `committed` the transaction must be rolled back.
 *
 * - `written`: the rows are in the transaction, and every projection has prepared them.
 * - `committed`: the row of a lone memory is durable: it went with its COMMIT.
 * - `nothing`: there is nothing to write.
 */
export type RowsResult =
  | { readonly kind: "written"; readonly decisions: readonly Decision[] }
  | { readonly kind: "committed"; readonly decisions: readonly Decision[] }
  | { readonly kind: "nothing"; readonly decisions: readonly Decision[] }
  | { readonly kind: "conflict"; readonly decisions: readonly Decision[] }
  | { readonly kind: "key_taken"; readonly taken: readonly TakenKey[] }
  | { readonly kind: "raced" }
  | { readonly kind: "copy_refused" }
  | { readonly kind: "guessed_wrong" }
  | Obstacle;
