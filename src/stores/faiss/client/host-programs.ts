import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { packageFile } from "../../../runtime/package-files.ts";

/**
 * "yes" tells a run from sources that `dist/` was built from exactly these sources. The test run sets it after it has
 * compared them. Without it a run from sources never uses `dist/`, so a stale build cannot be tested.
 */
export const DIST_IS_CURRENT = "DIST_IS_CURRENT";

/** A program for Node, with Node's arguments to run it. */
export interface NodeProgram {
  readonly path: string;
  readonly nodeArguments: readonly string[];
}

interface ProgramFiles {
  /** In `dist/program/`. */
  readonly bundled: string;
  /** The same program as a module in this folder tree, without its file extension. */
  readonly module: string;
}

const HOST: ProgramFiles = { bundled: "faiss-host.js", module: "../host/main" };
const REBUILD_WORKER: ProgramFiles = { bundled: "faiss-rebuild-worker.js", module: "../host/rebuild-worker" };

/** The host process. */
export function hostProgram(environment: NodeJS.ProcessEnv = process.env): NodeProgram {
  return programOf(HOST, environment);
}

/** The process that builds an index for the host. */
export function rebuildProgram(environment: NodeJS.ProcessEnv = process.env): NodeProgram {
  return programOf(REBUILD_WORKER, environment);
}

/**
 * The bundle, which starts fastest. Without a bundle: from sources (development, tests) the source through tsx, which
 * costs half a second of processor time; in a `dist/` that was compiled and not bundled, the module.
 */
function programOf({ bundled, module }: ProgramFiles, environment: NodeJS.ProcessEnv): NodeProgram {
  // Must come first: in a program bundled as CommonJS `import.meta.url` is undefined, and this throws with the remedy.
  const path = packageFile("dist", "program", bundled);
  const fromSources = import.meta.url.endsWith(".ts");
  const mayUseBundle = !fromSources || environment[DIST_IS_CURRENT] === "yes";
  if (mayUseBundle && existsSync(path)) return { path, nodeArguments: [] };
  return {
    path: fileURLToPath(new URL(`${module}.${fromSources ? "ts" : "js"}`, import.meta.url)),
    nodeArguments: fromSources ? ["--import", tsxUrl()] : [],
  };
}

function tsxUrl(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
}
