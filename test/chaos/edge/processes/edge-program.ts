import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import { DIST_IS_CURRENT } from "../../../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "../../../support/program.ts";

/** The process of an edge, as Node starts it. */
export interface EdgeProgram {
  readonly path: string;
  readonly nodeArguments: readonly string[];
  /** URL of the module with `EdgeStore`. */
  readonly module: string;
  close(): void;
}

/** What was built, where it is made of the sources as they are: its process starts in a fraction of the time. */
export function edgeProgram(): EdgeProgram {
  const source = fileURLToPath(new URL("./edge-node.ts", import.meta.url));
  if (process.env[DIST_IS_CURRENT] !== "yes") {
    const module = pathToFileURL(join(REPOSITORY, "src", "edge", "index.ts")).href;
    return { path: source, nodeArguments: ["--import", "tsx"], module, close: () => undefined };
  }
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-edge-program-"));
  const path = join(folder, "edge-node.mjs");
  writeFileSync(path, transformSync(readFileSync(source, "utf8"), { loader: "ts", format: "esm" }).code);
  return {
    path,
    nodeArguments: [],
    module: pathToFileURL(join(REPOSITORY, "dist", "edge", "index.js")).href,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
