import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { ConfigurationError } from "../domain/errors.ts";
import type { SubscriptionRow } from "../ledger/subscription-statements.ts";

const ALGORITHM = "aes-256-gcm";
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of the key's fingerprint: it says which key opens a box, and nothing about the key. */
const KEY_ID_BYTES = 4;
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

/**
 * Encrypts the secrets of subscriptions, so that a dump of the database has none of them. A box is bound to its subscription:
 * a row that is copied over another one does not open.
 *
 *     1 byte format, 4 bytes key id, 12 bytes nonce, ciphertext, 16 bytes tag
 */
export class SecretBox {
  readonly #keys: readonly { id: Buffer; key: Buffer }[];

  /** @param keys in base64, the one that encrypts first. */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map((text) => {
      const key = Buffer.from(text, "base64");
      return { id: createHash("sha256").update(key).digest().subarray(0, KEY_ID_BYTES), key };
    });
  }

  seal(secret: string, subscriptionId: string): Buffer {
    const [first] = this.#keys;
    if (first === undefined) throw noKey("cannot be kept");
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, first.key, nonce).setAAD(Buffer.from(subscriptionId));
    const sealed = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return Buffer.concat([Buffer.from([FORMAT]), first.id, nonce, sealed, cipher.getAuthTag()]);
  }

  /** The secrets of a subscription that sign now. @throws {ConfigurationError} */
  secretsOf({ id, secret, previousSecret }: Pick<SubscriptionRow, "id" | "secret" | "previousSecret">): string[] {
    return [secret, ...(previousSecret === null ? [] : [previousSecret])].map((sealed) => this.open(sealed, id));
  }

  /** @throws {ConfigurationError} None of the keys opens the box. */
  open(box: Buffer, subscriptionId: string): string {
    const id = box.subarray(1, 1 + KEY_ID_BYTES);
    const found = this.#keys.find((key) => key.id.equals(id));
    if (box[0] !== FORMAT || box.length < HEAD_BYTES + TAG_BYTES || found === undefined) throw noKey("cannot be read");
    try {
      const decipher = createDecipheriv(ALGORITHM, found.key, box.subarray(1 + KEY_ID_BYTES, HEAD_BYTES))
        .setAAD(Buffer.from(subscriptionId))
        .setAuthTag(box.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(box.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch (cause) {
      throw noKey("cannot be read", cause);
    }
  }
}

function noKey(what: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `the secret of a subscription ${what}: webhooks.secretKey (MNEMOSYNC_WEBHOOKS_SECRET_KEY) must be set, and be the key ` +
      "that encrypted it, or have it as webhooks.previousSecretKey; openssl rand -base64 32 makes one",
    { cause },
  );
}
