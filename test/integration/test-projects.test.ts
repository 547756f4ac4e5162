import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LONGEST } from "../support/longest-first.ts";
import { REPOSITORY } from "../support/program.ts";
import { runOther } from "../support/run-other.ts";

/** Goal: no file of tests is left out or run twice, whatever its folder and name. Method: vitest's own list of its projects. */

// A limit against hanging.
vi.setConfig({ testTimeout: 300_000 });

/** The projects that a command of `package.json` runs. */
async function projectsOf(script: string): Promise<string[]> {
  const { scripts } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  return [...(scripts[script] ?? "").matchAll(/--project (\S+)/g)].map(([, name]) => name as string).sort();
}

test("each file of tests is in one project, and each project in one run of those that .ci/run makes", async () => {
  const vitest = join(REPOSITORY, "node_modules", "vitest", "vitest.mjs");
  const { stdout, stderr, status } = await runOther(process.execPath, [vitest, "list", "--filesOnly", "--json"], {
    cwd: REPOSITORY,
  });
  expect(status, stderr).toBe(0);
  const listed = JSON.parse(stdout) as { file: string; projectName: string }[];
  const names = await readdir(join(REPOSITORY, "test"), { recursive: true });
  const files = names.filter((name) => name.endsWith(".test.ts")).map((name) => join(REPOSITORY, "test", name));
  expect(listed.map(({ file }) => file).sort()).toEqual(files.sort());
  const deep = listed.filter(({ projectName }) => projectName === "deep").map(({ file }) => file);
  expect(deep.sort()).toEqual(files.filter((file) => file.endsWith(".deep.test.ts")));

  const [all, daily, connectors, deepRun] = await Promise.all(
    ["test", "test:daily", "test:connectors", "test:deep"].map(projectsOf),
  );
  expect([...(daily ?? []), ...(connectors ?? [])].sort()).toEqual(all);
  expect([...(all ?? []), ...(deepRun ?? [])].sort()).toEqual(
    [...new Set(listed.map((one) => one.projectName))].sort(),
  );
});

test("each file that is to begin first exists", async () => {
  const names = await readdir(join(REPOSITORY, "test"), { recursive: true });
  expect(LONGEST.filter((name) => !names.includes(name))).toEqual([]);
});
