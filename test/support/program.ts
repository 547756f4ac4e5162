import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** For `node --import`: modules in TypeScript, from any folder. */
export const TYPESCRIPT_LOADER = pathToFileURL(join(REPOSITORY, "node_modules", "tsx", "dist", "loader.mjs")).href;

/** Whether `dist/` is made of the sources to the letter as they are. */
function distIsCurrent(): boolean {
  const { status, stderr, error } = spawnSync(process.execPath, [join(REPOSITORY, "scripts", "build.mjs"), "--check"], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status === 0 || (status === 1 && stderr === "")) return status === 0;
  throw new Error(`it cannot be told whether dist/ is current: ${error?.message ?? stderr}`);
}

/** Has the processes of this run use what was built, where it is current; they inherit the answer. @returns whether it is. */
export function useWhatIsBuilt(): boolean {
  const isCurrent = distIsCurrent();
  if (isCurrent) process.env[DIST_IS_CURRENT] = "yes";
  return isCurrent;
}

/**
 * Arguments of Node that run the command line: what was built, when the test run found it to be made of the sources as
 * they are, since it starts in a fraction of the time.
 */
export function programArguments(): string[] {
  if (process.env[DIST_IS_CURRENT] === "yes") return [join(REPOSITORY, "dist", "program", "main.js")];
  return ["--import", TYPESCRIPT_LOADER, join(REPOSITORY, "src", "cli", "main.ts")];
}
