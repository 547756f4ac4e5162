import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../../src/domain/errors.ts";
import { findPackageRoot, packageFile, packageVersion, versionText } from "../../../src/runtime/package-files.ts";
import { REPOSITORY } from "../../support/program.ts";

const moduleIn = (...path: string[]): string => pathToFileURL(join(...path)).href;

test("the package's files are found from its sources", async () => {
  expect(packageFile("sql")).toBe(join(REPOSITORY, "sql"));
  expect(existsSync(packageFile("sql"))).toBe(true);
  const { version } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as { version: string };
  expect(packageVersion()).toBe(version);
});

test("the version of a release has its tag and commit", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  expect(versionText({ tag: "v1.2.3", commit })).toBe(`${packageVersion()} (v1.2.3, 0123456789ab)`);
  expect(versionText({ tag: null, commit })).toBe(`${packageVersion()} (0123456789ab)`);
  expect(versionText({ tag: null, commit: null })).toBe(packageVersion());
  expect(versionText()).toBe(packageVersion());
});

for (const place of ["src", "dist", "dist/stores/faiss/host", "dist/program", "dist/program/parts"]) {
  test(`the package is found from a module in ${place}, past the package.json of others`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "mnemosync-package-test-"));
    t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const own = join(folder, "node_modules", "mnemosync");
    await mkdir(join(own, place), { recursive: true });
    await writeFile(join(folder, "package.json"), JSON.stringify({ name: "user", version: "9.9.9" }));
    await writeFile(join(own, "package.json"), JSON.stringify({ name: "mnemosync", version: "1.2.3" }));
    await writeFile(join(own, place, "package.json"), JSON.stringify({ type: "module" }));
    expect(findPackageRoot(moduleIn(own, place, "module.js"))).toEqual({ folder: own, version: "1.2.3" });
  });
}

test("a module that was bundled into another program is told to be left out of the bundle", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-package-test-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "user", version: "9.9.9" }));
  for (const url of [moduleIn(folder, "bundle.js"), "data:text/javascript,1", undefined]) {
    expect(() => findPackageRoot(url)).toThrow(ConfigurationError);
    expect(() => findPackageRoot(url)).toThrow("--external:mnemosync");
  }
});
