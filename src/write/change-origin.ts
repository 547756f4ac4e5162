import type { MnemosyncError } from "../domain/errors.ts";
import type { PushedChange, PushedFacts } from "../ledger/change-claims.ts";
import type { LockedVersion } from "../ledger/write-statements.ts";

/** What an origin says about its change. */
export type OriginVerdict =
  /** An earlier transaction applied it, and gave the memory this version. */
  | { readonly action: "repeated"; readonly version: number }
  | { readonly action: "refused"; readonly error: MnemosyncError }
  /** The memory is not at the version that the change was made on. */
  | { readonly action: "conflict" };

/** Where a pushed change comes from. Its key is claimed in the transaction that applies it. */
export interface ChangeOrigin extends Pick<PushedChange, "device" | "key"> {
  readonly fingerprint: string;
  /** Whether the change puts a memory of which its device knew none: it is taken for new, until the ledger says otherwise. */
  readonly expectsNew: boolean;
  /**
   * Judges the change by what the ledger says, while the memory's row is locked (undefined: there is none). Null: it is decided
   * on like any other write.
   */
  judge(facts: PushedFacts, locked: LockedVersion | undefined): OriginVerdict | null;
  /** The device that holds what the ledger does not have, once the change is applied; null: there is none. */
  holderAfter(facts: PushedFacts, locked: LockedVersion | undefined): string | null;
}
