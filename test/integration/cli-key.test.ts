import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { KeyRing } from "../../src/http/keys.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { runCommand } from "../support/command-line.ts";

vi.setConfig({ testTimeout: 300_000 });

test("keys are added to the file for named namespaces, listed without their secret, and revoked", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-key-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "keys.json");
  const key = async (...args: string[]) => await runCommand(["key", ...args], { MNEMOSYNC_HTTP_KEYS_FILE: file });

  for (const [args, reason] of [
    [["reader"], 'unknown action "reader": expected add <id>, list or revoke <id>'],
    [["add", "reader"], "the key's namespaces are missing: give --namespaces"],
    [["add", "reader", "--namespaces", "*"], "give --all-namespaces"],
    [["add", "reader", "--namespaces", "a", "--all-namespaces"], "contradict"],
    [["add", "a b", "--namespaces", "a"], "1 to 64 letters"],
    [["add", "--namespaces", "a"], "has no id"],
    [["add", "old", "--namespaces", "a", "--expires-at", "2001-01-01T00:00:00Z"], "a time in the future"],
  ] as const) {
    const { code, stdout, stderr } = await key(...args);
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: "" });
    expect(stderr).toContain(reason);
  }
  expect(await runCommand(["key", "list"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--http-keys-file"),
  });

  const added = await key("add", "reader", "--namespaces", "tenant-a, tenant-b");
  expect(added.code).toBe(0);
  const secret = /mns_reader_[A-Za-z0-9_-]{43}/.exec(added.stdout)?.[0] as string;
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).not.toContain(secret);
  const identity = await (await KeyRing.fromFile(file, { log: silentLog })).identify(secret);
  expect(identity).toMatchObject({ id: "reader", scope: "read", namespaces: new Set(["tenant-a", "tenant-b"]) });

  expect(await key("add", "reader", "--all-namespaces")).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining('has a key "reader" already'),
  });
  const admin = await key("add", "root", "--all-namespaces", "--scope", "admin", "--json");
  expect(JSON.parse(admin.stdout)).toMatchObject({ key: expect.stringMatching(/^mns_root_/), file });
  const list = await key("list");
  expect(list.stdout).toMatch(/reader +reader +read +tenant-a,tenant-b +never\nroot +root +admin +all +never\n$/);
  expect(list.stdout).not.toContain(secret);

  // A key that replaces another one belongs to the same caller: repeats under its idempotency keys are still recognised.
  const renewed = await key("add", "reader-2", "--owner", "reader", "--namespaces", "tenant-a", "--json");
  const document = JSON.parse(renewed.stdout);
  expect(document.entry).toMatchObject({ id: "reader-2", owner: "reader" });
  const ring = await KeyRing.fromFile(file, { log: silentLog });
  expect(await ring.identify(document.key)).toMatchObject({ id: "reader-2", owner: "reader" });
  expect(await ring.identify(secret)).toMatchObject({ owner: "reader" });
  expect((await key("list")).stdout).toMatch(/reader-2 +reader +read +tenant-a +never\n$/);
  expect(await key("add", "bad", "--owner", "a b", "--namespaces", "a")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("owner: expected 1 to 64 letters"),
  });

  expect(await key("revoke", "reader")).toMatchObject({ code: 0 });
  expect(await key("revoke", "reader")).toMatchObject({ code: 1, stderr: expect.stringContaining("NOT_FOUND") });
  expect(await (await KeyRing.fromFile(file, { log: silentLog })).identify(secret)).toBeNull();
});
