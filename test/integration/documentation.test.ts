import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, type TestContext, test } from "vitest";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { openWorld } from "../support/world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OWN_IMPORT = /from "mnemosync"/g;

async function blocks(page: string): Promise<string[]> {
  const text = await readFile(join(ROOT, page), "utf8");
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "mnemosync-docs-test-"));
  t.onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs a program to its end. */
async function run(t: TestContext, args: readonly string[], cwd: string, environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...environment } });
  t.onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

/** The library: what was built, where it is made of the sources as they are, which starts and compiles faster. */
const LIBRARY = join(ROOT, ...(process.env[DIST_IS_CURRENT] === "yes" ? ["dist", "index.js"] : ["src", "index.ts"]));

/** Writes code as a module that gets this package by its path. */
async function program(t: TestContext, code: string): Promise<{ directory: string; path: string }> {
  const directory = await folder(t);
  const path = join(directory, "example.mts");
  await writeFile(path, code.replaceAll(OWN_IMPORT, `from ${JSON.stringify(LIBRARY)}`));
  return { directory, path };
}

const tsx = ["--import", join(ROOT, "node_modules", "tsx", "dist", "esm", "index.mjs")];

test("the examples of docs/library.md run one behind the other and fit the types", { timeout: 300_000 }, async (t) => {
  const world = await openWorld(t, { faiss: false });
  const runnable = (await blocks("docs/library.md")).filter((code) => code.startsWith("// runnable"));
  expect(runnable.length).toBeGreaterThan(5);
  const prelude = `import type { Options } from "mnemosync";
    const options = JSON.parse(process.env.DOCUMENTATION_OPTIONS ?? "") as Options;
    const file = process.env.DOCUMENTATION_FILE ?? "";\n`;
  const { directory, path } = await program(t, prelude + runnable.join("\n"));
  const options = {
    postgresUrl: world.databaseUrl,
    redisUrl: world.redisUrl,
    redisPrefix: world.prefix,
    faiss: { directory: join(directory, "index"), dimension: 384 },
    embedding: { provider: "hashing" },
  };
  const environment = {
    DOCUMENTATION_OPTIONS: JSON.stringify(options),
    DOCUMENTATION_FILE: join(directory, "backup.jsonl"),
  };
  const { code, output } = await run(t, [...tsx, path], directory, environment);
  expect({ code, output }).toMatchObject({ code: 0 });
  for (const said of ["1 Amara likes figs.", "Amara likes dates. 2", "'synced'", "VALIDATION false content", "true"]) {
    expect(output).toContain(said);
  }
  const byPath = { rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true };
  const config = join(directory, "tsconfig.json");
  const compilerOptions = { typeRoots: [join(ROOT, "node_modules", "@types")], noUnusedLocals: false, ...byPath };
  await writeFile(config, JSON.stringify({ extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [path] }));
  const types = await run(t, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", config], directory);
  expect(types).toEqual({ code: 0, output: "" });
});

test("the README's example runs as it stands", { timeout: 240_000 }, async (t) => {
  const world = await openWorld(t, { faiss: false });
  const [code = ""] = await blocks("README.md");
  const { directory, path } = await program(t, code);
  const environment = { MNEMOSYNC_POSTGRES_URL: world.databaseUrl, MNEMOSYNC_REDIS_URL: world.redisUrl };
  // It writes under the prefix that everybody has by default: nobody else does in these tests.
  const { code: exitCode, output } = await run(t, [...tsx, path], directory, environment);
  const keys = await world.redis.keys("mnemosync:*");
  if (keys.length > 0) await world.redis.unlink(keys);
  expect({ exitCode, output }).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining("synced { postgres: 'applied'"),
  });
  expect(output).toContain("Amara is allergic to cashews.");
});
