import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { root, SetupError, say } from "./report.mjs";
import { writeThirdPartyLicenses } from "./third-party-licenses.mjs";

/** The built console's folder, from the root: `index.html` and, with a hash of their contents in their names, `assets/`. */
export const consoleFolder = "dist/console";

/** The file of it that is there under this name. */
export const consoleFiles = [`${consoleFolder}/index.html`];

/** Its sources, and what the page refers to them by. */
const entryPoints = { app: "src/console/main.tsx", style: "src/console/styles/main.css", icon: "src/console/icon.svg" };

/** Browsers of the last two years: what they lack is not rewritten. */
const target = ["chrome125", "firefox128", "safari17.5"];

/** Puts the console into dist/console: one script, one style sheet, one picture, and the page that refers to them. */
export function bundleConsole() {
  say("bundling the console into dist/console/");
  const draft = join(root, "dist", "console-draft");
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const { outputs, inputs } = bundle({
    absWorkingDir: root,
    entryPoints: Object.values(entryPoints),
    outdir: join(draft, "assets"),
    entryNames: "[name]-[hash]",
    bundle: true,
    format: "esm",
    platform: "browser",
    target,
    // The sources' own settings are for the compiler, which only checks them.
    tsconfigRaw: { compilerOptions: { jsx: "react-jsx", jsxImportSource: "preact", verbatimModuleSyntax: true } },
    loader: { ".svg": "copy" },
    minify: true,
    legalComments: "none",
    logLevel: "silent",
  });
  const names = new Map(
    Object.entries(outputs).map(([file, { entryPoint, inputs: of }]) => [
      entryPoint ?? Object.keys(of)[0],
      basename(file),
    ]),
  );
  const page = readFileSync(join(root, "src", "console", "index.html"), "utf8").replaceAll(/\{(\w+)\}/g, (_, name) => {
    const built = names.get(entryPoints[name]);
    if (built !== undefined) return `assets/${built}`;
    throw new SetupError(`src/console/index.html names {${name}}, which the bundle lacks`, "npm run build");
  });
  writeFileSync(join(draft, "index.html"), page);
  writeThirdPartyLicenses(Object.keys(inputs), join(draft, "THIRD-PARTY-LICENSES"));
  rmSync(join(root, consoleFolder), { recursive: true, force: true });
  renameSync(draft, join(root, consoleFolder));
}

function bundle(/** @type {import("esbuild").BuildOptions} */ options) {
  // Not imported above: a published package has neither sources to build nor this.
  /** @type {typeof import("esbuild")} */
  const { buildSync } = createRequire(import.meta.url)("esbuild");
  try {
    return buildSync({ ...options, metafile: true }).metafile;
  } catch (error) {
    throw new SetupError(`the console cannot be bundled:\n${error.message}`, "npm run build");
  }
}
