import type { SeenHistory } from "../domain/change-source.ts";
import { StoreForeignError } from "../domain/errors.ts";
import { markNumber } from "../domain/history.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { LedgerName } from "../ledger/past-ledger.ts";
import type { StoreRecord } from "../ledger/past-statements.ts";
import type { StoreBrand, StoreOwner, StoreStanding } from "../stores/projection.ts";

/** Why a shared store may hold what the ledger does not, or lack what it has. */
export type Doubt =
  /** It has no mark, though it had one: it lost its data, or was not compared since a new epoch began. */
  | "emptied"
  /** Its servers are in another life than when it was compared last. */
  | "other_life"
  /** Its mark is older than the one that was left there last. */
  | "older_mark"
  /** It was compared in an earlier history of the ledger. */
  | "earlier_epoch";

/** How a shared store stands to this ledger. */
export type Verdict =
  | { readonly state: "trusted" }
  | { readonly state: "doubted"; readonly doubt: Doubt }
  | { readonly state: "foreign"; readonly error: StoreForeignError };

/** What the ledger says, to judge a store by. */
export interface LedgerSide {
  readonly name: LedgerName;
  /** All that this ledger had. */
  readonly epochs: ReadonlySet<string>;
  readonly record: StoreRecord;
}

/** Of a store that nothing was recorded of. */
export const NO_RECORD: StoreRecord = { life: null, mark: null, compared: false };

/** Judges a store by the brand that it bears. */
export function judgeBrand(
  store: StoreId,
  brand: StoreBrand,
  life: string | null,
  { name, epochs, record }: LedgerSide,
): Verdict {
  const { owner, mark } = brand;
  if (owner.ledger !== name.ledger || (owner.epoch !== name.epoch && !epochs.has(owner.epoch))) {
    return { state: "foreign", error: foreignError(store, owner, name) };
  }
  if (owner.epoch !== name.epoch) return doubted("earlier_epoch");
  if (record.life !== null && life !== null && record.life !== life) return doubted("other_life");
  const [left, found] = [numberOf(record.mark), numberOf(mark)];
  if (found === null) return doubted("emptied");
  if (left === null) return { state: "trusted" };
  return found < left ? doubted("older_mark") : { state: "trusted" };
}

export function ownerOf({ ledger, epoch }: LedgerName): StoreOwner {
  return { ledger, epoch };
}

export function doubted(doubt: Doubt): Verdict {
  return { state: "doubted", doubt };
}

/** Whether a store that was compared bears the brand that it bore before; one that had none may have been claimed since. */
export function isSameBrand(before: StoreBrand | null, now: StoreBrand | null, { ledger, epoch }: LedgerName): boolean {
  if (before === null) return now === null || (now.owner.ledger === ledger && now.owner.epoch === epoch);
  if (now === null) return false;
  const { owner, mark } = now;
  return owner.ledger === before.owner.ledger && owner.epoch === before.owner.epoch && mark === before.mark;
}

export function seenOf({ brand }: StoreStanding): SeenHistory[] {
  return brand === null || brand.mark === "" ? [] : [{ epoch: brand.owner.epoch, marks: [brand.mark] }];
}

function numberOf(mark: string | null): number | null {
  return mark === null ? null : markNumber(mark);
}

function foreignError(store: StoreId, owner: StoreOwner, name: LedgerName): StoreForeignError {
  const what =
    owner.ledger === name.ledger
      ? `it was branded in epoch ${owner.epoch} of this ledger, which this database does not know: a copy of the database ` +
        "uses the store, or did so until this one was restored"
      : `it is branded by ledger ${owner.ledger}, and this is ledger ${name.ledger}`;
  return new StoreForeignError(
    store,
    `${what}. Nothing was read or written. Give each ledger a store or a prefix of its own (redisPrefix). If the other ` +
      "ledger is gone for good, remove its brand (Redis: DEL <redisPrefix>:owner): the store is then compared and taken over",
  );
}
