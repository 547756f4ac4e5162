import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, type TestContext, test } from "vitest";
import { REPOSITORY } from "../support/program.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: a program that bundles this package is told to leave it out of the bundle, whatever the format of the bundle, and
 * whichever file of the package is asked for first.
 */

async function runBundle(t: TestContext, format: "cjs" | "esm", options: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-bundle-test-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const source = join(folder, "program.ts");
  const bundle = join(folder, format === "cjs" ? "bundle.cjs" : "bundle.mjs");
  await writeFile(
    source,
    `import { MemorySynchronizer } from ${JSON.stringify(join(REPOSITORY, "src", "index.ts"))};
    MemorySynchronizer.connect(${JSON.stringify(options)}).then(
      (sync) => sync.close().then(() => console.log("connected")),
      (error) => console.log(error.name, error.code, error.message),
    );`,
  );
  await build({
    entryPoints: [source],
    outfile: bundle,
    bundle: true,
    platform: "node",
    format,
    external: ["faiss-node"],
    logLevel: "silent",
    ...(format === "esm" && {
      banner: {
        js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);',
      },
    }),
  });
  const child = spawn(process.execPath, [bundle], { cwd: folder });
  t.onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  await new Promise((resolve) => child.on("close", resolve));
  return output;
}

for (const format of ["cjs", "esm"] as const) {
  for (const withIndex of [true, false]) {
    const kind = withIndex ? "with an index" : "without an index";
    test(`a ${format} bundle that connects ${kind} is told to leave the package out of it`, async (t) => {
      const world = await openWorld(t, { faiss: false });
      const faiss = { directory: join(world.directory, "bundled"), dimension: 8 };
      const output = await runBundle(t, format, { ...world.connectOptions, ...(withIndex && { faiss }) });
      expect(output).toContain("ConfigurationError CONFIGURATION no package.json of mnemosync was found above");
      expect(output).toContain("--external:mnemosync");
    });
  }
}
