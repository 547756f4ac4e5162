import type { Arguments, HostMessage, MainConfiguration, Result } from "../protocol/messages.ts";
import { loadSnapshot, writeSnapshot } from "../snapshots/snapshot.ts";
import { SnapshotFolder } from "../snapshots/snapshot-folder.ts";
import { SnapshotRejection } from "../snapshots/snapshot-manifest.ts";
import { HostError } from "./host-error.ts";
import type { MemoryIndex } from "./memory-index.ts";

/** An index that was loaded, and the answer to its loader. */
interface Loaded {
  /** Null where the snapshot cannot be used. */
  readonly index: MemoryIndex | null;
  readonly result: Result<"loadSnapshot">;
}

/** The snapshots of an index folder, as the host reads and writes them. Only one is written at a time. */
export class HostSnapshots {
  readonly #tell: (message: HostMessage) => void;
  /** The snapshot that is being written, or the last one. */
  #writing: Promise<unknown> = Promise.resolve();

  /** @param tell sends to the owner of the host. */
  constructor(tell: (message: HostMessage) => void) {
    this.#tell = tell;
  }

  /** Sequence numbers, newest first. Removes the remains of an interrupted snapshot. */
  async list(directory: string): Promise<number[]> {
    const folder = new SnapshotFolder(directory);
    await asNoRoom("remove what an interrupted snapshot left behind", folder.removeTemporary());
    return folder.sequences();
  }

  /** A snapshot that is damaged is set aside; one of another shape stays. */
  async load(
    { directory, sequence, expected, proven }: Arguments<"loadSnapshot">,
    space: MemoryIndex["space"],
    main: MainConfiguration,
  ): Promise<Loaded> {
    const folder = new SnapshotFolder(directory);
    try {
      const { index, manifest } = await loadSnapshot(folder.pathOf(sequence), expected, space, main, { proven });
      const { cursor, createdAt } = manifest;
      return { index, result: { outcome: "loaded", cursor, createdAt, live: index.count() } };
    } catch (error) {
      if (!(error instanceof SnapshotRejection)) throw error;
      if (error.kind === "mismatch") return { index: null, result: { outcome: "mismatch", reason: error.message } };
      await this.setAside(directory, sequence);
      return { index: null, result: { outcome: "set_aside", reason: error.message } };
    }
  }

  /** Never rejects. */
  async setAside(directory: string, sequence: number): Promise<void> {
    try {
      await new SnapshotFolder(directory).setAside(sequence);
    } catch (error) {
      // A directory that cannot be written: the snapshot is passed over all the same, and again at the next start.
      const fields = { sequence, reason: (error as Error).message };
      this.#tell({ event: "index.snapshot_not_renamed", level: "warn", fields });
    }
  }

  /** @param index read when its turn has come: the contents may be another index's by then. */
  async write(
    { directory, head, cursor, mark, createdAt, keep }: Arguments<"writeSnapshot">,
    index: () => MemoryIndex,
  ): Promise<Result<"writeSnapshot">> {
    const folder = new SnapshotFolder(directory);
    const write = async (): Promise<Result<"writeSnapshot">> => {
      const writing = writeSnapshot(folder, index(), { ...head, cursor, mark, createdAt });
      const written = await asNoRoom(`write a snapshot to ${directory}`, writing);
      await asNoRoom("remove older snapshots", folder.prune(keep));
      return written;
    };
    // One after the other, whatever became of the one before: its caller may have given up on it.
    const snapshot = this.#writing.then(write, write);
    this.#writing = snapshot;
    return snapshot;
  }
}

/** Failures of the disk or of permissions are the operator's to mend: `NO_ROOM`. The host's own errors pass. */
async function asNoRoom<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HostError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new HostError("NO_ROOM", `cannot ${what}: ${(error as Error).message}`, { cause: error });
  }
}
