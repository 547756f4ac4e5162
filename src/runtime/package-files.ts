import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigurationError } from "../domain/errors.ts";

const NAME = "mnemosync";
/** Characters of a commit that name it to people. */
const COMMIT_LENGTH = 12;

/** Where the package is, with `sql/`, `samples/` and `dist/` below it. */
export interface PackageRoot {
  readonly folder: string;
  readonly version: string;
}

let root: PackageRoot | undefined;

/**
 * Path of a file or folder of the package, whether this runs from `src/`, from `dist/` or out of `dist/program/`.
 * @param path from the package's root. The file need not exist.
 * @throws {ConfigurationError} The package's files are not beside this module; see `findPackageRoot`.
 */
export function packageFile(...path: readonly string[]): string {
  root ??= findPackageRoot(import.meta.url);
  return join(root.folder, ...path);
}

/** @throws {ConfigurationError} The package's files are not beside this module; see `findPackageRoot`. */
export function packageVersion(): string {
  root ??= findPackageRoot(import.meta.url);
  return root.version;
}

/** Of what a release was made; null in a clone, and where it was installed from npm. */
export interface PackageBuild {
  readonly tag: string | null;
  readonly commit: string | null;
  /** Whether files were not as the commit has them: a trial. @default false */
  readonly changed?: boolean;
}

/** The version for people: with the tag and the commit that a release was made of. */
export function versionText(build: PackageBuild | null = packageBuild()): string {
  const parts = [build?.tag, build?.commit?.slice(0, COMMIT_LENGTH), build?.changed === true ? "changed" : null];
  const made = parts.filter((part) => part != null && part !== "");
  return made.length === 0 ? packageVersion() : `${packageVersion()} (${made.join(", ")})`;
}

function packageBuild(): PackageBuild | null {
  const file = packageFile("build.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as PackageBuild) : null;
}

/**
 * The nearest folder above a module that has this package's `package.json`.
 * @param moduleUrl `import.meta.url`, which some bundlers replace by undefined.
 * @throws {ConfigurationError} There is none: the module was bundled into another program, without the files it needs.
 */
export function findPackageRoot(moduleUrl: string | undefined): PackageRoot {
  const path = moduleUrl?.startsWith("file:") === true ? fileURLToPath(moduleUrl) : null;
  for (let folder = path; folder !== null; folder = folder === dirname(folder) ? null : dirname(folder)) {
    const file = join(folder, "package.json");
    if (!existsSync(file)) continue;
    const { name, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
    if (name === NAME && version !== undefined) return { folder, version };
  }
  throw new ConfigurationError(
    `no package.json of ${NAME} was found above ${path ?? String(moduleUrl)}: ${NAME} reads files of its package, so leave ` +
      "it out of your bundle (esbuild: --external:mnemosync) and install it beside it",
  );
}
