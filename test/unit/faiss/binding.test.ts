import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { bindingFiles, loadFirst } from "../../../src/stores/faiss/host/binding.ts";

/** Goal: the copies that setup keeps serve where npm has removed its own package or emptied it. */

test("after npm's own package come the copy in mnemosync's package and the one in the user's cache", () => {
  vi.stubEnv("XDG_CACHE_HOME", "/somewhere/cache");
  onTestFinished(() => void vi.unstubAllEnvs());
  const [npm, inPackage, inCache] = bindingFiles();
  expect(npm).toMatch(/faiss-node\/lib\/index\.js$/);
  expect(inPackage).toMatch(/\/binding\/faiss-node-[0-9.]+-napi6-\w+-\w+(-\w+)?\/faiss-node\.node$/);
  expect(inCache).toMatch(/^\/somewhere\/cache\/mnemosync\/faiss-node-[0-9.]+-napi6-/);
  vi.stubEnv("XDG_CACHE_HOME", "");
  expect(bindingFiles()[2]).toContain(join(homedir(), ".cache", "mnemosync"));
});

test("the first file that loads is taken; when none does, the error has the reason of each", () => {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-binding-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [missing, broken, whole] = [join(folder, "missing.cjs"), join(folder, "broken.cjs"), join(folder, "whole.cjs")];
  writeFileSync(broken, "throw new Error('no such library');");
  writeFileSync(whole, "module.exports = { whole: true };");
  expect(loadFirst([missing, broken, whole])).toEqual({ whole: true });
  expect(() => loadFirst([missing, broken])).toThrow(/missing\.cjs.*; no such library/);
});

test("the real binding loads from a copy without npm's package around it", () => {
  const [npm] = bindingFiles();
  const file = (npm as string).replace(/lib\/index\.js$/, "build/Release/faiss-node.node");
  expect(loadFirst([join(tmpdir(), "no-such-binding.node"), file])).toHaveProperty("IndexFlatIP");
});
