import { type FileHandle, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { NAMESPACE_PATTERN } from "../domain/schema.ts";
import { ONCE } from "../domain/settings.ts";
import { ConfigurationError } from "../index.ts";
import { syncFolder } from "../runtime/sync-folder.ts";

export const SCOPES = ["read", "write", "admin"] as const;
/** The rights of a key. Each scope includes the ones before it. */
export type Scope = (typeof SCOPES)[number];

/** Keys that a file may hold. */
const KEYS_MAX = 10_000;

/** The id of a key, and the name of its owner. */
export const KEY_ID = /^[A-Za-z0-9-]{1,64}$/;
const KEY_ID_EXPECTED = "expected 1 to 64 letters, digits and hyphens";

export const keySchema = z.strictObject({
  id: z.string().regex(KEY_ID, KEY_ID_EXPECTED),
  /** SHA-256 of the whole key, hex. Its secret has 256 random bits, so a slow hash would add nothing. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"),
  scope: z.enum(SCOPES),
  namespaces: z.union([z.literal("*"), z.array(z.string().regex(NAMESPACE_PATTERN)).min(1)]),
  /** Name of the caller that has the key: give it to the key that replaces this one too. Default: the id. */
  owner: z.string().regex(KEY_ID, KEY_ID_EXPECTED).optional(),
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

/** @param nowMs milliseconds since 1970. */
export function isExpired({ expiresAt }: Pick<KeyEntry, "expiresAt">, nowMs: number): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= nowMs;
}

/** The keys of the file. @throws {ConfigurationError} The file cannot be read, or breaks a rule of its format. */
export async function readKeys(path: string): Promise<KeyEntry[]> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ConfigurationError(`http.keysFile cannot be read: ${(cause as Error).message}`, { cause });
  }
  const parsed = fileSchema.safeParse(value, ONCE);
  if (parsed.success) return parsed.data.keys;
  const issue = parsed.error.issues[0];
  throw new ConfigurationError(`http.keysFile, at ${issue?.path.join(".") || "its top"}: ${issue?.message}`);
}

/** Changes with every change of the file. @throws {ConfigurationError} The file cannot be read. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (cause) {
    throw new ConfigurationError(`http.keysFile cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Adds a key to the file, and creates the file where there is none: for its owner alone, which is the caller, or the folder's owner where
 * root is the caller.
 * @throws {ConfigurationError} The file cannot be read or written, or has a key of this id.
 */
export async function addKey(path: string, entry: KeyEntry): Promise<void> {
  await changeKeys(path, "create", (keys) => {
    if (keys.some(({ id }) => id === entry.id)) {
      throw new ConfigurationError(
        `${path} has a key ${JSON.stringify(entry.id)} already: revoke it first, or give the new key another id`,
      );
    }
    if (keys.length >= KEYS_MAX)
      throw new ConfigurationError(`${path} has ${KEYS_MAX} keys already, which is the most`);
    return [...keys, entry];
  });
}

/**
 * Removes the key of this id from the file.
 * @returns false when the file has no such key; it stays as it is then.
 * @throws {ConfigurationError} The file cannot be read or written.
 */
export async function revokeKey(path: string, id: string): Promise<boolean> {
  return await changeKeys(path, "keep", (keys) => {
    const others = keys.filter((key) => key.id !== id);
    return others.length === keys.length ? null : others;
  });
}

/**
 * Replaces the file as a whole, so that a service that reads it at the same moment finds the old keys or the new ones, also
 * after a crash. Afterwards only its owner can read it. The draft is the lock: without one, of two changes at once the
 * second would write back the keys that it read before the first.
 * @param change returns null to change nothing. @returns whether the file was replaced.
 */
async function changeKeys(
  path: string,
  missing: "create" | "keep",
  change: (keys: readonly KeyEntry[]) => readonly KeyEntry[] | null,
): Promise<boolean> {
  const target = await realpath(path).catch(() => path); // A symbolic link stays one.
  const draft = `${target}.draft`;
  let handle: FileHandle | null = null;
  try {
    handle = await open(draft, "wx", 0o600);
    const found = await stat(target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && missing === "create") return null;
      throw error;
    });
    const keys = change(found === null ? [] : await readKeys(target));
    if (keys === null) return false;
    await handle.writeFile(`${JSON.stringify({ keys }, null, 2)}\n`);
    await handle.chmod(0o600); // Whatever the umask is.
    // The service that reads the file may run as another user than the person who changes it. So the owner stays; a new file of root's is
    // given to the owner of its folder, as the state folder of a unit of systemd has one.
    const owner = found ?? (process.getuid?.() === 0 ? await stat(dirname(target)) : null);
    if (owner !== null) await handle.chown(owner.uid, owner.gid);
    await handle.sync();
    await rename(draft, target);
    await syncFolder(dirname(target));
    return true;
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(refusal(path, draft, cause as NodeJS.ErrnoException, handle !== null), { cause });
  } finally {
    await handle?.close();
    if (handle !== null) await rm(draft, { force: true });
  }
}

function refusal(path: string, draft: string, { code, message }: NodeJS.ErrnoException, isOurs: boolean): string {
  if (code !== "EEXIST" || isOurs) return `${path} cannot be changed: ${message}`;
  return `${path} is being changed by another command: try again. If none is running, remove ${draft}`;
}
