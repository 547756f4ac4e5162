import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type LockHolder, lockHolder } from "./directory-lock.ts";
import { readManifestText, verifyFile } from "./snapshot-folder.ts";
import { decodeManifest, type SnapshotManifest, SnapshotRejection } from "./snapshot-manifest.ts";

/** A snapshot as it lies there. */
export interface InspectedSnapshot {
  readonly folder: string;
  /** Null for one that was set aside. */
  readonly sequence: number | null;
  /** `sound`: every file has the size and the checksum that the manifest says. */
  readonly state: "sound" | "damaged" | "set_aside";
  /** What is wrong with it; null when nothing is. */
  readonly reason: string | null;
  /** Null when the manifest cannot be read. */
  readonly manifest: SnapshotManifest | null;
}

export interface DirectoryInspection {
  readonly directory: string;
  /** Whether there is such a folder. */
  readonly exists: boolean;
  /** Null when nobody has the directory. */
  readonly lock: LockHolder | null;
  /** Newest first. */
  readonly snapshots: readonly InspectedSnapshot[];
  /** What interrupted work left behind; the next start removes it. */
  readonly leftovers: readonly string[];
  /** All of this for people, one sentence each, what matters most first. */
  readonly explanation: readonly string[];
}

/**
 * Looks at an index directory without opening it: changes nothing, and may be done while a process uses it (a snapshot
 * that is pruned in that very moment shows as damaged). Reads every file once, to prove its checksum.
 * @throws when the folder cannot be read, for other reasons than not being there.
 */
export async function inspectDirectory(directory: string): Promise<DirectoryInspection> {
  const names = await namesIn(directory);
  if (names === null) {
    const explanation = [`${directory} does not exist: the first start makes it and fills the index from the ledger`];
    return { directory, exists: false, lock: null, snapshots: [], leftovers: [], explanation };
  }
  const lock = await lockHolder(directory);
  const folder = join(directory, "snapshots");
  const entries = (await namesIn(folder)) ?? [];
  const snapshots: InspectedSnapshot[] = [];
  for (const name of entries
    .filter((entry) => /^\d+(\.unreadable)?$/.test(entry))
    .sort()
    .reverse()) {
    snapshots.push(await inspectSnapshot(join(folder, name), name));
  }
  const leftovers = entries.filter((entry) => entry.startsWith(".tmp-")).map((entry) => join(folder, entry));
  if (names.includes("building")) leftovers.push(join(directory, "building"));
  const found = { directory, exists: true, lock, snapshots, leftovers };
  return { ...found, explanation: explain(found) };
}

async function inspectSnapshot(folder: string, name: string): Promise<InspectedSnapshot> {
  const isSetAside = name.endsWith(".unreadable");
  const sequence = isSetAside ? null : Number(name);
  let manifest: SnapshotManifest | null = null;
  let reason: string | null = null;
  try {
    manifest = decodeManifest(await readManifestText(folder));
    for (const file of manifest.files) await verifyFile(folder, file);
  } catch (error) {
    if (!(error instanceof SnapshotRejection)) throw error;
    reason = error.message;
  }
  if (isSetAside) return { folder, sequence, state: "set_aside", reason, manifest };
  return { folder, sequence, state: reason === null ? "sound" : "damaged", reason, manifest };
}

function explain({ directory, lock, snapshots, leftovers }: Omit<DirectoryInspection, "explanation">): string[] {
  const lines: string[] = [];
  if (lock !== null) lines.push(explainLock(directory, lock));
  const usable = snapshots.find(({ state }) => state === "sound");
  if (usable?.manifest == null) {
    lines.push("no sound snapshot: the next start fills the index from the ledger, which takes longer");
  } else {
    const { namespaces, files, createdAt, dimension, metric, model, cursor } = usable.manifest;
    const live = namespaces.reduce((sum, namespace) => sum + namespace.live, 0);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    lines.push(
      `the next start loads snapshot ${usable.sequence}: ${live} vectors of ${dimension}-d (${metric}, ` +
        `${model === null ? "any model" : `model ${model}`}) in ${namespaces.length} namespaces, ${bytes} bytes, of ` +
        `${new Date(createdAt).toISOString()}, and replays the feed behind transaction ${cursor.xid}`,
    );
  }
  for (const { sequence, state, reason, folder } of snapshots) {
    if (state === "damaged") lines.push(`snapshot ${sequence} is damaged (${reason}): the next start sets it aside`);
    if (state === "set_aside") {
      const why = reason ?? "its files are sound: it was of another epoch or format, or the host died loading it";
      lines.push(`${folder} was set aside (${why}): it is kept to be looked at, and may be deleted`);
    }
  }
  for (const path of leftovers) lines.push(`${path} is what interrupted work left behind: the next start removes it`);
  return lines;
}

function explainLock(directory: string, { pid, state, heardMsAgo }: LockHolder): string {
  const heard = `its lock was last touched ${Math.round(heardMsAgo / 1_000)} s ago`;
  switch (state) {
    case "running":
      return `process ${pid} has the directory (${heard})`;
    case "gone":
      return `process ${pid} had the directory and has ended without giving it back: the next start takes it over`;
    case "elsewhere":
      return (
        `process ${pid ?? "unknown"} of another container or machine has the directory (${heard}): a lock that is not ` +
        `touched for 30 s is taken over; otherwise delete ${join(directory, "lock")} once it has ended`
      );
  }
}

/** Null when there is no such folder. */
async function namesIn(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
