import { IdempotencyKeyReusedError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { AppliedChange, PushedFacts } from "../ledger/change-claims.ts";
import type { LedgerTransaction } from "../ledger/ledger-transaction.ts";
import type { LockedVersion } from "../ledger/write-statements.ts";
import type { Decision, WriteIntent } from "./plan.ts";

/** The locked rows of a chunk, by key text. */
type Locked = ReadonlyMap<string, LockedVersion>;

/** The changes of a chunk that devices pushed. */
export class PushedChanges {
  readonly #facts: ReadonlyMap<string, PushedFacts>;
  readonly #locked: Locked;
  readonly #keys = new Set<string>();

  private constructor(facts: ReadonlyMap<string, PushedFacts>, locked: Locked) {
    this.#facts = facts;
    this.#locked = locked;
  }

  /** Reads what the ledger says of them. The rows of the memories are locked by then. */
  static async read(
    transaction: Pick<LedgerTransaction, "readPushed">,
    intents: readonly WriteIntent[],
    locked: Locked,
  ): Promise<PushedChanges> {
    const changes = intents.flatMap(({ key, origin }) => {
      return origin === undefined ? [] : [{ ...key, device: origin.device, key: origin.key }];
    });
    if (changes.length === 0) return new PushedChanges(new Map(), locked);
    const facts = await transaction.readPushed(changes);
    return new PushedChanges(
      new Map(changes.map((change, index) => [keyText(change), facts[index] as PushedFacts])),
      locked,
    );
  }

  /** The decision on an intent as far as its origin makes it; null: it is decided on like any other write. */
  decide({ key, origin }: WriteIntent): Decision | null {
    const facts = this.#facts.get(keyText(key));
    if (origin === undefined || facts === undefined) return null;
    const locked = this.#locked.get(keyText(key));
    const version = locked?.version ?? 0;
    const claim = `${origin.device} ${origin.key}`;
    // Claimed together, two changes under one key would race against themselves, in a chunk that holds changes of others.
    if (this.#keys.has(claim)) {
      return { action: "refused", version, checksum: null, error: new IdempotencyKeyReusedError(origin.key) };
    }
    this.#keys.add(claim);
    const verdict = origin.judge(facts, locked);
    if (verdict === null) return null;
    if (verdict.action === "conflict") return { action: "conflict", version, checksum: locked?.checksum ?? null };
    if (verdict.action === "refused") return { action: "refused", version, checksum: null, error: verdict.error };
    return { action: "repeated", version: verdict.version, checksum: null };
  }

  /** The claims of those that are applied. */
  applied(intents: readonly WriteIntent[], decisions: readonly Decision[]): AppliedChange[] {
    return intents.flatMap(({ key, origin }, index) => {
      const facts = this.#facts.get(keyText(key));
      const decision = decisions[index] as Decision;
      if (origin === undefined || facts === undefined) return [];
      if (decision.action !== "write" && decision.action !== "unchanged") return [];
      const { device, key: ulid, fingerprint } = origin;
      const writes = decision.action === "write";
      const version = writes ? decision.write.version : decision.version;
      const holder = origin.holderAfter(facts, this.#locked.get(keyText(key)));
      return { ...key, device, key: ulid, fingerprint, version, writes, holder };
    });
  }
}
