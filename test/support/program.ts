import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Arguments of Node that run the command line: what was built, when it was built from the sources as they are, since it
 * starts in less than half the time.
 */
export function programArguments(): string[] {
  const built = join(REPOSITORY, "dist", "cli", "main.js");
  const sources = readdirSync(join(REPOSITORY, "src"), { recursive: true, encoding: "utf8" });
  const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0;
  const isCurrent = sources.every((name) => statSync(join(REPOSITORY, "src", name)).mtimeMs < builtAt);
  return isCurrent ? [built] : ["--import", "tsx", join(REPOSITORY, "src", "cli", "main.ts")];
}
