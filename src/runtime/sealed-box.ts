import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of the key's fingerprint: it says which key opens a box, and nothing about the key. */
const KEY_ID_BYTES = 4;
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

/** What is wrong with a box: no key is set up, or none of them opens it. */
export type BoxFault = "cannot be kept" | "cannot be read";

/**
 * Encrypts secrets that the ledger keeps, so that a dump of the database has none of them. A box is bound to its owner: one that is
 * copied to another owner's row does not open.
 *
 *     1 byte format, 4 bytes key id, 12 bytes nonce, ciphertext, 16 bytes tag
 */
export class SealedBox {
  readonly #keys: readonly { id: Buffer; key: Buffer }[];
  readonly #errorOf: (fault: BoxFault, cause?: unknown) => Error;

  /**
   * @param keys in base64, the one that encrypts first.
   * @param errorOf makes the error that is thrown, which names the settings of the keys.
   */
  constructor(keys: readonly (string | undefined)[], errorOf: (fault: BoxFault, cause?: unknown) => Error) {
    this.#keys = keys
      .filter((text) => text !== undefined)
      .map((text) => {
        const key = Buffer.from(text, "base64");
        return { id: createHash("sha256").update(key).digest().subarray(0, KEY_ID_BYTES), key };
      });
    this.#errorOf = errorOf;
  }

  seal(secret: string, owner: string): Buffer {
    const [first] = this.#keys;
    if (first === undefined) throw this.#errorOf("cannot be kept");
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, first.key, nonce).setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return Buffer.concat([Buffer.from([FORMAT]), first.id, nonce, sealed, cipher.getAuthTag()]);
  }

  open(box: Buffer, owner: string): string {
    const id = box.subarray(1, 1 + KEY_ID_BYTES);
    const found = this.#keys.find((key) => key.id.equals(id));
    if (box[0] !== FORMAT || box.length < HEAD_BYTES + TAG_BYTES || found === undefined)
      throw this.#errorOf("cannot be read");
    try {
      const decipher = createDecipheriv(ALGORITHM, found.key, box.subarray(1 + KEY_ID_BYTES, HEAD_BYTES))
        .setAAD(Buffer.from(owner))
        .setAuthTag(box.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(box.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch (cause) {
      throw this.#errorOf("cannot be read", cause);
    }
  }
}
