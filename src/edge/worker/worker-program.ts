import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { packageFile } from "../../runtime/package-files.ts";

/** As `DIST_IS_CURRENT` of the FAISS host: "yes" lets a run from sources use what was built of them. */
const DIST_IS_CURRENT = "DIST_IS_CURRENT";

/** The module that the worker runs: the bundle, or the compiled module, or the source through tsx (development, tests). */
export function workerModule(environment: NodeJS.ProcessEnv = process.env): URL {
  const bundled = packageFile("dist", "program", "edge-worker.js");
  const fromSources = import.meta.url.endsWith(".ts");
  const mayUseBundle = !fromSources || environment[DIST_IS_CURRENT] === "yes";
  if (mayUseBundle && existsSync(bundled)) return pathToFileURL(bundled);
  if (!fromSources) return new URL("./worker-main.js", import.meta.url);
  // A worker does not take `--import` of Node 20: the loader is registered by a module that then imports the worker's.
  const loader = pathToFileURL(
    createRequire(import.meta.url)
      .resolve("tsx")
      .replace("loader.mjs", "esm/api/index.mjs"),
  );
  const source = new URL("./worker-main.ts", import.meta.url);
  const program = `import { register } from ${JSON.stringify(loader.href)};
register();
await import(${JSON.stringify(source.href)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`);
}
