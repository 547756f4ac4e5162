import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { addKey, createKey, KeyRing } from "../../../src/http/keys.ts";
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
