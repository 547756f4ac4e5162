import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { EdgeFileError } from "../errors.ts";
import type { SqlDatabase, SqlDriver } from "../sqlite/database.ts";
import { Facts } from "./facts.ts";
import { holdersOf } from "./holders.ts";
import { type Rescue, rescueInto, setAside } from "./rescue.ts";
import { migrate, refuseForeign } from "./schema.ts";
import { DAMAGED, fileError, SqlFile } from "./sql-file.ts";
import { emptyIndex } from "./words.ts";

export interface OpenFileOptions {
  readonly path: string;
  readonly synchronous: "FULL" | "NORMAL";
  readonly busyTimeoutMs: number;
  /** What becomes of a damaged file. `refuse`: it is left as it is, and opening fails. */
  readonly onDamage: "rescue" | "refuse";
  /** Whether to look at every page of the file first: a tenth of a second for 100,000 memories. */
  readonly check: boolean;
}

export interface OpenedFile {
  readonly file: SqlFile;
  /** Null: the file was sound. */
  readonly rescue: Rescue | null;
}

/**
 * Opens or makes the file, at this program's schema.
 * @throws {EdgeFileError} `newer`, `foreign`: it was not touched. `io`: it cannot be opened. `corrupt`: it is damaged, and `onDamage` is `refuse`, or other
 * processes have it open.
 */
export function openFile(driver: SqlDriver, options: OpenFileOptions, nowMs: number): OpenedFile {
  const { path } = options;
  const folder = dirname(path);
  if (!existsSync(folder)) throw new EdgeFileError("io", `${path}: there is no folder ${folder}: make it first`);
  try {
    return { file: openSound(driver, options, options.check && existsSync(path)), rescue: null };
  } catch (error) {
    const isDamaged = error instanceof EdgeFileError && error.problem === "corrupt";
    if (!isDamaged || options.onDamage === "refuse") throw error;
  }
  requireAlone(path);
  const aside = setAside(path, nowMs);
  const file = openSound(driver, options, false);
  const damaged = openDamaged(driver, aside, options.busyTimeoutMs);
  if (damaged === null)
    return { file, rescue: { setAside: aside, memories: 0, changes: 0, conflicts: 0, incomplete: true } };
  try {
    return { file, rescue: rescueInto(file, damaged, aside) };
  } catch (error) {
    file.close();
    throw error;
  } finally {
    damaged.close();
  }
}

function openSound(driver: SqlDriver, options: OpenFileOptions, check: boolean): SqlFile {
  const database = opened(driver, options.path, options.busyTimeoutMs);
  const file = new SqlFile(options.path, database);
  try {
    refuseForeign(file); // Before the next line writes into another program's database.
    // Each in a statement of its own: they answer rows.
    file.all("pragma journal_mode = wal");
    file.exec(`pragma synchronous = ${options.synchronous}`);
    // Freed bytes are overwritten: what was erased must not be readable in the file.
    file.all("pragma secure_delete = on");
    file.all("pragma temp_store = memory");
    file.all("pragma cache_size = -8000");
    // Pages of the log after which a write moves them into the file. With SQLite's 1,000 every hundredth write did, for some 5 ms; moments
    // of rest do it before that: see `foldSome`.
    file.all("pragma wal_autocheckpoint = 4000");
    const areWordsSound = !check || examine(file);
    migrate(file);
    if (!areWordsSound) mendWords(file, new Facts(file));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Looks at every page and every index. @returns false where the index of words alone is not sound: it can be made anew. SQLite 3.45 calls
 * it malformed once some indexed memories were deleted, and to set such a file aside took it from under the processes that had it open.
 * @throws {EdgeFileError} `corrupt`
 */
export function examine(file: SqlFile): boolean {
  const found = file.all<{ quick_check: string }>("pragma quick_check(3)").map(({ quick_check }) => quick_check);
  if (found.length === 1 && found[0] === "ok") return true;
  if (found.every((line) => line.startsWith("malformed inverted index for FTS5 table"))) return false;
  throw new EdgeFileError("corrupt", `${file.path}: ${DAMAGED} (${found.join("; ").slice(0, 300)})`);
}

/** @throws {EdgeFileError} `corrupt`: something else is damaged too. */
export function mendWords(file: SqlFile, facts: Facts): void {
  emptyIndex(file, facts);
  if (!examine(file)) throw new EdgeFileError("corrupt", `${file.path}: the index of words cannot be mended`);
}

/**
 * A damaged file is not taken from under a process that has it open. That one would go on writing to what was set aside; and when it
 * closes, SQLite deletes its log by the name, which is the log of the new file by then.
 * @throws {EdgeFileError} `corrupt`: other processes have it open.
 */
function requireAlone(path: string): void {
  const holders = holdersOf(path);
  if (holders.length === 0) return;
  const found = `the file is damaged, and other processes have it open (${holders.join(", ")})`;
  const advice = "end them and open it anew, which sets it aside and rescues it";
  throw new EdgeFileError("corrupt", `${path}: ${found}: ${advice}`);
}

/** Null: not even its first page can be read. */
function openDamaged(driver: SqlDriver, path: string, busyTimeoutMs: number): SqlFile | null {
  try {
    const file = new SqlFile(path, opened(driver, path, busyTimeoutMs));
    file.get("select count(*) from sqlite_master");
    return file;
  } catch {
    return null;
  }
}

function opened(driver: SqlDriver, path: string, busyTimeoutMs: number): SqlDatabase {
  try {
    const database = driver.open(path, busyTimeoutMs);
    // The option of some drivers is ignored by others.
    database.prepare(`pragma busy_timeout = ${busyTimeoutMs}`).all();
    return database;
  } catch (error) {
    const known = fileError(error, path);
    if (known instanceof EdgeFileError) throw known;
    // libsql does not tell SQLite's code when it cannot open a file.
    const advice = "the file cannot be opened: check that it is no folder, and that it may be read and written";
    throw new EdgeFileError("io", `${path}: ${advice} (${(error as Error).message})`, { cause: error });
  }
}
