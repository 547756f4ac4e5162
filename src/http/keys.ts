import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { NAMESPACE_PATTERN } from "../domain/schema.ts";
import { ConfigurationError, type Log } from "../index.ts";

export const SCOPES = ["read", "write", "admin"] as const;
/** What a key may do. Each includes the ones before it. */
export type Scope = (typeof SCOPES)[number];

/** The caller of a request. */
export interface Identity {
  /** Names the key in logs and rate limits. */
  readonly id: string;
  readonly scope: Scope;
  /** Null: all of them. */
  readonly namespaces: ReadonlySet<string> | null;
}

/** Keys that a file may hold. */
const KEYS_MAX = 10_000;

const keySchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "expected 1 to 64 letters, digits and hyphens"),
  /** SHA-256 of the whole key, hex. Its secret has 256 random bits, so a slow hash would add nothing. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"),
  scope: z.enum(SCOPES),
  namespaces: z.union([z.literal("*"), z.array(z.string().regex(NAMESPACE_PATTERN)).min(1)]),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});

const fileSchema = z.strictObject({ keys: z.array(keySchema).max(KEYS_MAX) }).superRefine(({ keys }, context) => {
  const seen = new Set<string>();
  for (const [index, { id }] of keys.entries()) {
    const message = `${JSON.stringify(id)} is the id of two keys: give each key an id of its own`;
    if (seen.has(id)) context.addIssue({ code: "custom", path: ["keys", index, "id"], message });
    seen.add(id);
  }
});

/** A key as the keys file holds it. */
export type KeyEntry = z.output<typeof keySchema>;

const KEY_PATTERN = /^mns_([A-Za-z0-9-]{1,64})_[A-Za-z0-9_-]{43}$/;

/** A new key and the entry for the keys file. The key itself is shown this once: only its hash is kept. */
export function createKey(entry: Omit<KeyEntry, "sha256">): { key: string; entry: KeyEntry } {
  const key = `mns_${entry.id}_${randomBytes(32).toString("base64url")}`;
  const parsed = keySchema.safeParse({ ...entry, sha256: hashOf(key).toString("hex") });
  if (parsed.success) return { key, entry: parsed.data };
  const issue = parsed.error.issues[0];
  throw new ConfigurationError(`${issue?.path.join(".")}: ${issue?.message}`);
}

/**
 * Adds a key to the file that `http.keysFile` names, and creates the file where there is none. Only its owner can read it.
 * The file is replaced as a whole, so that a service that reads it at the same moment finds the old keys or the new ones.
 * @throws {ConfigurationError} The file cannot be read or written, or has a key of this id.
 */
export async function addKey(path: string, entry: KeyEntry): Promise<void> {
  const keys = (await exists(path)) ? await readKeys(path) : [];
  if (keys.some(({ id }) => id === entry.id)) {
    throw new ConfigurationError(
      `${path} has a key ${JSON.stringify(entry.id)} already: remove its entry first, or give the new key another id`,
    );
  }
  if (keys.length >= KEYS_MAX) throw new ConfigurationError(`${path} has ${KEYS_MAX} keys already, which is the most`);
  const draft = `${path}.${randomBytes(6).toString("hex")}.draft`;
  try {
    await writeFile(draft, `${JSON.stringify({ keys: [...keys, entry] }, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw new ConfigurationError(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new ConfigurationError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

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
    if (entry.expiresAt !== undefined && Date.parse(entry.expiresAt) <= this.#now()) return null;
    return {
      id: entry.id,
      scope: entry.scope,
      namespaces: entry.namespaces === "*" ? null : new Set(entry.namespaces),
    };
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

export function mayTouch(identity: Identity, namespace: string): boolean {
  return identity.namespaces === null || identity.namespaces.has(namespace);
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (cause) {
    throw new ConfigurationError(`http.keysFile cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function readKeys(path: string): Promise<KeyEntry[]> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ConfigurationError(`http.keysFile cannot be read: ${(cause as Error).message}`, { cause });
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data.keys;
  const issue = parsed.error.issues[0];
  throw new ConfigurationError(`http.keysFile, at ${issue?.path.join(".") || "its top"}: ${issue?.message}`);
}
