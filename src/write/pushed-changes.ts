import { IdempotencyKeyReusedError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { AppliedChange, PushedChange, PushedFacts } from "../ledger/change-claims.ts";
import type { LockedVersion } from "../ledger/write-statements.ts";
import type { Decision, WriteIntent } from "./plan.ts";

/** The locked rows of a chunk, by key text. */
type Locked = ReadonlyMap<string, LockedVersion>;

/** The changes among a chunk's intents that devices pushed, in order. */
export function pushedOf(intents: readonly WriteIntent[]): PushedChange[] {
  return intents.flatMap(({ key, origin }) => {
    return origin === undefined ? [] : [{ ...key, device: origin.device, key: origin.key }];
  });
}

/** What becomes of them. */
export class PushedChanges {
  readonly #facts: ReadonlyMap<string, PushedFacts>;
  readonly #locked: Locked;
  readonly #keys = new Set<string>();

  /** @param begun.facts one per change of `pushedOf`, read while the rows of the memories are locked. */
  constructor(
    intents: readonly WriteIntent[],
    { locked, facts }: { readonly locked: Locked; readonly facts: readonly PushedFacts[] },
  ) {
    const pushed = intents.filter(({ origin }) => origin !== undefined);
    this.#facts = new Map(pushed.map(({ key }, index) => [keyText(key), facts[index] as PushedFacts]));
    this.#locked = locked;
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
