import type { Arguments, HostMessage, MainConfiguration, Result } from "../protocol/messages.ts";
import { loadSnapshot, writeSnapshot } from "../snapshots/snapshot.ts";
import { SnapshotFolder } from "../snapshots/snapshot-folder.ts";
import { SnapshotRejection } from "../snapshots/snapshot-manifest.ts";
import { HostError } from "./host-error.ts";
import type { MemoryIndex } from "./memory-index.ts";

/** A loaded index, and the reply to the load request. */
interface Loaded {
  /** Null when the snapshot is unusable. */
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

  /** Loads a snapshot. A damaged one is set aside; one of another shape stays. */
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
      // The directory is not writable: this start skips the snapshot, and so does the next one.
      const fields = { sequence, reason: (error as Error).message };
      this.#tell({ event: "index.snapshot_not_renamed", level: "warn", fields });
    }
  }

  /** @param index called when this snapshot's turn comes: a load may have replaced the index by then. */
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
    // Snapshots run one after the other. A failed predecessor does not matter: its caller may have abandoned it.
    const snapshot = this.#writing.then(write, write);
    this.#writing = snapshot;
    return snapshot;
  }
}

/** Maps disk and permission failures, which an operator must fix, to `NO_ROOM`. The host's own errors pass unchanged. */
async function asNoRoom<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HostError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new HostError("NO_ROOM", `cannot ${what}: ${(error as Error).message}`, { cause: error });
  }
}
