import { readdirSync, statSync } from "node:fs";

/**
 * Ids of the other processes that have a file open, as Linux shows them in `/proc`: those that this user may look into, of this
 * container. Empty where there is no `/proc`. SQLite's own locks cannot be asked: a driver may keep those of a connection that this
 * process has closed.
 */
export function holdersOf(path: string): number[] {
  const wanted = stated(path);
  if (wanted === null) return [];
  const isSame = (link: string): boolean => {
    const found = stated(link);
    return found?.ino === wanted.ino && found.dev === wanted.dev;
  };
  const processes = entries("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const holders = processes.filter((name) =>
    entries(`/proc/${name}/fd`).some((descriptor) => isSame(`/proc/${name}/fd/${descriptor}`)),
  );
  return holders.map(Number);
}

/** Empty: there is none, it ended meanwhile, or it is another user's. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Null: it is gone, or may not be looked at. */
function stated(path: string): { readonly dev: number; readonly ino: number } | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
