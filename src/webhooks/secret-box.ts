import { ConfigurationError } from "../domain/errors.ts";
import type { SubscriptionRow } from "../ledger/subscription-statements.ts";
import { type BoxFault, SealedBox } from "../runtime/sealed-box.ts";

/** Encrypts the secrets of subscriptions. A box is bound to its subscription. */
export class SecretBox {
  readonly #box: SealedBox;

  /** @param keys in base64, the one that encrypts first. */
  constructor(keys: readonly string[]) {
    this.#box = new SealedBox(keys, noKey);
  }

  /** @throws {ConfigurationError} There is no key. */
  seal(secret: string, subscriptionId: string): Buffer {
    return this.#box.seal(secret, subscriptionId);
  }

  /** The secrets of a subscription that sign now. @throws {ConfigurationError} */
  secretsOf({ id, secret, previousSecret }: Pick<SubscriptionRow, "id" | "secret" | "previousSecret">): string[] {
    return [secret, ...(previousSecret === null ? [] : [previousSecret])].map((sealed) => this.open(sealed, id));
  }

  /** @throws {ConfigurationError} None of the keys opens the box. */
  open(box: Buffer, subscriptionId: string): string {
    return this.#box.open(box, subscriptionId);
  }
}

function noKey(fault: BoxFault, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `the secret of a subscription ${fault}: webhooks.secretKey (MNEMOSYNC_WEBHOOKS_SECRET_KEY) must be set, and be the key ` +
      "that encrypted it, or have it as webhooks.previousSecretKey; openssl rand -base64 32 makes one",
    { cause },
  );
}
