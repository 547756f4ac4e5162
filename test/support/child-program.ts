import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "./program.ts";

/** A program of a test, as Node starts it in a process of its own. */
export interface ChildProgram {
  readonly path: string;
  readonly nodeArguments: readonly string[];
  /** URL of the module of the library that it uses. */
  readonly module: string;
  close(): void;
}

/**
 * What was built, where it is made of the sources as they are: its process starts in a fraction of the time.
 * @param source a file in TypeScript that imports nothing but types, and the module by its URL.
 * @param entry of the library, as `src/<entry>.ts`.
 */
export function childProgram(source: URL, entry: string): ChildProgram {
  const file = fileURLToPath(source);
  if (process.env[DIST_IS_CURRENT] !== "yes") {
    const module = pathToFileURL(join(REPOSITORY, "src", `${entry}.ts`)).href;
    return { path: file, nodeArguments: ["--import", "tsx"], module, close: () => undefined };
  }
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-child-program-"));
  const path = join(folder, "program.mjs");
  writeFileSync(path, transformSync(readFileSync(file, "utf8"), { loader: "ts", format: "esm" }).code);
  return {
    path,
    nodeArguments: [],
    module: pathToFileURL(join(REPOSITORY, "dist", `${entry}.js`)).href,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
