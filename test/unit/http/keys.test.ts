import { chmod, chown, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createKey, KeyRing } from "../../../src/http/keys.ts";
import { addKey, type KeyEntry, readKeys, revokeKey } from "../../../src/http/keys-file.ts";
import { ConfigurationError } from "../../../src/index.ts";
import { silentLog } from "../../../src/runtime/log.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "mnemosync-keys-"));
  onTestFinished(async () => rm(path, { recursive: true, force: true }));
  return path;
}

const reader = () => createKey({ id: "reader", scope: "read", namespaces: ["tenant-a"] });

test("a keys file with one id twice is refused, and the message names the id", async () => {
  const path = join(await folder(), "keys.json");
  await writeFile(path, JSON.stringify({ keys: [reader().entry, reader().entry] }));
  const opening = KeyRing.fromFile(path, { log: silentLog });
  await expect(opening).rejects.toThrow(/keys\.1\.id: "reader" is the id of two keys/);
  await expect(opening).rejects.toBeInstanceOf(ConfigurationError);
});

test("a key is added to a new file that only its owner can read, and then to the same file", async () => {
  const path = join(await folder(), "keys.json");
  const first = reader();
  const second = createKey({ id: "writer", scope: "write", namespaces: "*" });
  await addKey(path, first.entry);
  await addKey(path, second.entry);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const ring = await KeyRing.fromFile(path, { log: silentLog });
  expect((await ring.identify(first.key))?.id).toBe("reader");
  expect((await ring.identify(second.key))?.scope).toBe("write");
});

test.skipIf(process.getuid?.() !== 0)(
  "a file that root makes belongs to the owner of its folder, as systemd gives one to a service, and stays that owner's",
  async () => {
    const home = await folder();
    await chown(home, 61_234, 61_235);
    const path = join(home, "keys.json");
    for (const id of ["one", "two"]) {
      await addKey(path, createKey({ id, scope: "read", namespaces: "*" }).entry);
      const { uid, gid, mode } = await stat(path);
      expect([uid, gid, mode & 0o777]).toEqual([61_234, 61_235, 0o600]);
    }
  },
);

test("an id that the file has already is refused, and the file stays as it is", async () => {
  const home = await folder();
  const path = join(home, "keys.json");
  await addKey(path, reader().entry);
  const before = await readFile(path, "utf8");
  await expect(addKey(path, reader().entry)).rejects.toThrow(/has a key "reader" already/);
  expect(await readFile(path, "utf8")).toBe(before);
  expect(await readdir(home)).toEqual(["keys.json"]);
});

test("a file that holds no keys is not overwritten", async () => {
  const path = join(await folder(), "notes.json");
  await writeFile(path, '{"notes":[]}');
  await expect(addKey(path, reader().entry)).rejects.toBeInstanceOf(ConfigurationError);
  expect(await readFile(path, "utf8")).toBe('{"notes":[]}');
});

test("a running service notices a key that was added, and one that was revoked", async () => {
  const path = join(await folder(), "keys.json");
  const first = reader();
  const second = createKey({ id: "writer", scope: "write", namespaces: ["tenant-a"] });
  await addKey(path, first.entry);
  let now = 0;
  const ring = await KeyRing.fromFile(path, { log: silentLog, rereadMs: 1_000, now: () => now });
  await addKey(path, second.entry);
  now += 1_000;
  expect((await ring.identify(second.key))?.id).toBe("writer");
  expect(await revokeKey(path, "reader")).toBe(true);
  now += 1_000;
  expect(await ring.identify(first.key)).toBeNull();
  expect((await ring.identify(second.key))?.id).toBe("writer");
});

test("of many changes at once none is lost: each is made, or refused by name", async () => {
  const home = await folder();
  const path = join(home, "keys.json");
  const entries = Array.from(
    { length: 20 },
    (_, i) => createKey({ id: `k${i}`, scope: "read", namespaces: "*" }).entry,
  );
  const settled = await Promise.allSettled(entries.map((entry) => addKey(path, entry)));
  const added = entries.filter((_, i) => settled[i]?.status === "fulfilled").map(({ id }) => id);
  for (const one of settled) if (one.status === "rejected") expect(String(one.reason)).toContain("by another command");
  expect(added.length).toBeGreaterThan(0);
  expect((await readKeys(path)).map(({ id }) => id).sort()).toEqual(added.sort());
  expect(await readdir(home)).toEqual(["keys.json"]);
});

test("a changed file is for its owner alone; a symbolic link to it stays one", async () => {
  const home = await folder();
  const [path, link] = [join(home, "keys.json"), join(home, "link.json")];
  await writeFile(path, JSON.stringify({ keys: [reader().entry] satisfies KeyEntry[] }));
  await chmod(path, 0o644);
  await symlink(path, link);
  expect(await revokeKey(link, "nobody")).toBe(false);
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect(await revokeKey(link, "reader")).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readlink(link)).toBe(path);
  await expect(revokeKey(join(home, "none.json"), "reader")).rejects.toThrow(/none\.json cannot be changed: ENOENT/);
});

test("whether a listed key is past its time is told by the ring's clock, as whether it is taken", async () => {
  const expiresAt = "2100-01-01T00:00:00Z";
  const { key, entry } = createKey({ id: "reader", scope: "read", namespaces: "*", expiresAt });
  let now = Date.parse(expiresAt) - 1;
  const ring = KeyRing.of([entry], { log: silentLog, now: () => now });
  const seen = async () => [(await ring.identify(key)) !== null, (await ring.list()).map(({ expired }) => expired)];
  expect(await seen()).toEqual([true, [false]]);
  now++;
  expect(await seen()).toEqual([false, [true]]);
});
