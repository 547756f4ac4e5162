import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type LockHolder, lockHolder } from "./directory-lock.ts";
import { readManifestText, verifyFile } from "./snapshot-folder.ts";
import { decodeManifest, type SnapshotManifest, SnapshotRejection } from "./snapshot-manifest.ts";

/** A snapshot folder as found on disk. */
export interface InspectedSnapshot {
  readonly folder: string;
  /** Null for a snapshot that was set aside. */
  readonly sequence: number | null;
  /** `sound`: every file has the size and the checksum in the manifest. */
  readonly state: "sound" | "damaged" | "set_aside";
  /** The defect; null when there is none. */
  readonly reason: string | null;
  /** Null when the manifest cannot be read. */
  readonly manifest: SnapshotManifest | null;
}

export interface DirectoryInspection {
  readonly directory: string;
  /** Whether the folder exists. */
  readonly exists: boolean;
  /** Null when the directory is free. */
  readonly lock: LockHolder | null;
  /** Newest first. */
  readonly snapshots: readonly InspectedSnapshot[];
  /** Temporary files of interrupted work; the next start removes them. */
  readonly leftovers: readonly string[];
  /** The inspection in sentences, the most important first. */
  readonly explanation: readonly string[];
}

/**
 * Inspects an index directory without opening the index. Read-only and safe while a process uses the directory, except
 * that a snapshot pruned at that moment is reported as damaged. Reads every file once, to verify its checksum.
 * @throws when the folder exists and cannot be read.
 */
export async function inspectDirectory(directory: string): Promise<DirectoryInspection> {
  const names = await namesIn(directory);
  if (names === null) {
    const explanation = [`${directory} does not exist: the first start creates it and fills the index from the ledger`];
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
        `${new Date(createdAt).toISOString()}, and replays the feed after transaction ${cursor.xid}`,
    );
  }
  for (const { sequence, state, reason, folder } of snapshots) {
    if (state === "damaged") lines.push(`snapshot ${sequence} is damaged (${reason}): the next start sets it aside`);
    if (state === "set_aside") {
      const why =
        reason ?? "its files are sound: it belongs to another epoch or format, or the host crashed loading it";
      lines.push(`${folder} was set aside (${why}): it is kept for inspection, and can be deleted`);
    }
  }
  for (const path of leftovers) lines.push(`${path} is left over from interrupted work: the next start removes it`);
  return lines;
}

function explainLock(directory: string, { pid, state, heardMsAgo }: LockHolder): string {
  const heard = `its lock was last touched ${Math.round(heardMsAgo / 1_000)} s ago`;
  switch (state) {
    case "running":
      return `process ${pid} holds the directory (${heard})`;
    case "gone":
      return `process ${pid} held the directory and ended without releasing it: the next start takes it over`;
    case "elsewhere":
      return (
        `process ${pid ?? "unknown"} of another container or machine holds the directory (${heard}): a lock that is not ` +
        `touched for 30 s is taken over; otherwise delete ${join(directory, "lock")} once that process has ended`
      );
  }
}

/** Null when the folder does not exist. */
async function namesIn(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
