import { createRequire } from "node:module";
import { join } from "node:path";
import { packageFile } from "../../../runtime/package-files.ts";

/** `scripts/setup/binding-place.cjs`. */
interface BindingPlace {
  readonly FILE_NAME: string;
  bindingFolders(packageRoot: string): { readonly inPackage: string; readonly inCache: string };
}

const requireHere = createRequire(import.meta.url);

/**
 * Candidate binding files, in the order in which they are tried: npm's own package, then the copies of `mnemosync setup`.
 * npm removes the package when its install script fails, and `npm ci` empties it.
 */
export function bindingFiles(): string[] {
  const place = requireHere(packageFile("scripts", "setup", "binding-place.cjs")) as BindingPlace;
  const { inPackage, inCache } = place.bindingFolders(packageFile());
  const copies = [inPackage, inCache].map((folder) => join(folder, place.FILE_NAME));
  try {
    return [requireHere.resolve("faiss-node"), ...copies];
  } catch {
    return copies;
  }
}

/** The first of `files` that loads. @throws {AggregateError} with one error for each file. */
export function loadFirst(files: readonly string[]): unknown {
  const failures: unknown[] = [];
  for (const file of files) {
    try {
      return requireHere(file);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, failures.map(reasonOf).join("; "));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
