import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ConfigurationError, type Log } from "../index.ts";
import { isExpired, type KeyEntry, keySchema, readKeys, SCOPES, type Scope, stampOf } from "./keys-file.ts";

/** The caller of a request. */
export interface Identity {
  /** Names the key in logs and rate limits. */
  readonly id: string;
  /** To whom idempotency keys belong: the same for a key and the one that replaces it. */
  readonly owner: string;
  readonly scope: Scope;
  /** Null: all of them. */
  readonly namespaces: ReadonlySet<string> | null;
}

const KEY_PATTERN = /^mns_([A-Za-z0-9-]{1,64})_[A-Za-z0-9_-]{43}$/;

/** A new key and the entry for the keys file. The key itself is shown this once: only its hash is kept. */
export function createKey(entry: Omit<KeyEntry, "sha256">): { key: string; entry: KeyEntry } {
  const key = `mns_${entry.id}_${randomBytes(32).toString("base64url")}`;
  const parsed = keySchema.safeParse({ ...entry, sha256: hashOf(key).toString("hex") });
  if (parsed.success) return { key, entry: parsed.data };
  const issue = parsed.error.issues[0];
  throw new ConfigurationError(`${issue?.path.join(".")}: ${issue?.message}`);
}

/** A key, and whether it is past its time. */
export type ListedKey = KeyEntry & { readonly expired: boolean };

/** The keys that the service takes. The file is read again when it changes: revoking a key needs no restart. */
export class KeyRing {
  readonly #path: string | null;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #rereadMs: number;
  #keys: ReadonlyMap<string, KeyEntry>;
  #stamp: string;
  #lookedAt: number;
  #looking: Promise<void> | null = null;

  private constructor(path: string | null, keys: readonly KeyEntry[], stamp: string, options: KeyRingOptions) {
    this.#path = path;
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#stamp = stamp;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#rereadMs = options.rereadMs ?? 5_000;
    this.#lookedAt = this.#now();
  }

  /** @throws {ConfigurationError} The file cannot be read, or breaks a rule of its format. */
  static async fromFile(path: string, options: KeyRingOptions): Promise<KeyRing> {
    const stamp = await stampOf(path);
    return new KeyRing(path, await readKeys(path), stamp, options);
  }

  static of(keys: readonly KeyEntry[], options: KeyRingOptions): KeyRing {
    return new KeyRing(null, keys, "", options);
  }

  /** The owner of `key`; null for a key that is unknown, expired, or not shaped like one. */
  async identify(key: string): Promise<Identity | null> {
    await this.#refresh();
    const id = KEY_PATTERN.exec(key)?.[1];
    const entry = id === undefined ? undefined : this.#keys.get(id);
    // Hashed in any case, and compared in constant time, so that the duration of the answer tells nothing.
    const matches = timingSafeEqual(hashOf(key), Buffer.from(entry?.sha256 ?? "0".repeat(64), "hex"));
    if (entry === undefined || !matches) return null;
    if (isExpired(entry, this.#now())) return null;
    return {
      id: entry.id,
      owner: entry.owner ?? entry.id,
      scope: entry.scope,
      namespaces: entry.namespaces === "*" ? null : new Set(entry.namespaces),
    };
  }

  /**
   * Whether a key of `owner` may have a receiver told of these namespaces (null: all), and of the service with `isService`.
   * Expired keys do not count.
   */
  async mayTell(owner: string, namespaces: readonly string[] | null, isService: boolean): Promise<boolean> {
    await this.#refresh();
    const needed: Scope = isService ? "admin" : "write";
    return [...this.#keys.values()].some((entry) => {
      if ((entry.owner ?? entry.id) !== owner || SCOPES.indexOf(entry.scope) < SCOPES.indexOf(needed)) return false;
      if (isExpired(entry, this.#now())) return false;
      if (entry.namespaces === "*") return true;
      const own = new Set(entry.namespaces);
      return !isService && namespaces !== null && namespaces.every((namespace) => own.has(namespace));
    });
  }

  /** All keys, those that have expired included. */
  async list(): Promise<readonly ListedKey[]> {
    await this.#refresh();
    const now = this.#now();
    return [...this.#keys.values()].map((entry) => ({ ...entry, expired: isExpired(entry, now) }));
  }

  /** Whether an owner has a key that is valid. */
  async hasOwner(owner: string): Promise<boolean> {
    await this.#refresh();
    return [...this.#keys.values()].some(
      (entry) => (entry.owner ?? entry.id) === owner && !isExpired(entry, this.#now()),
    );
  }

  async #refresh(): Promise<void> {
    const path = this.#path;
    if (path === null || this.#now() - this.#lookedAt < this.#rereadMs) return;
    this.#looking ??= this.#look(path).finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  async #look(path: string): Promise<void> {
    this.#lookedAt = this.#now();
    try {
      const stamp = await stampOf(path);
      if (stamp === this.#stamp) return;
      const keys = await readKeys(path);
      this.#keys = new Map(keys.map((key) => [key.id, key]));
      this.#stamp = stamp;
      this.#log.info({ keys: keys.length }, "http.keys_read");
    } catch (error) {
      // A half-written file must not lock all callers out: the old keys stay, and the next look may find the file whole.
      this.#log.error({ error: (error as Error).message }, "http.keys_not_read");
    }
  }
}

export interface KeyRingOptions {
  readonly log: Log;
  /** Milliseconds between looks at the file. @default 5_000 */
  readonly rereadMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Whether the scope of `identity` includes `scope`. */
export function hasScope(identity: Identity, scope: Scope): boolean {
  return SCOPES.indexOf(identity.scope) >= SCOPES.indexOf(scope);
}

/** Whether the key may do everything, everywhere: such a caller is told reasons that name hosts and users. */
export function isOperator(identity: Identity): boolean {
  return identity.namespaces === null && hasScope(identity, "admin");
}

export function mayTouch(identity: Identity, namespace: string): boolean {
  return identity.namespaces === null || identity.namespaces.has(namespace);
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
