import type { ChangeSource, SeenHistory } from "../../../domain/change-source.ts";
import { askLedger, type FeedPlace } from "../../../feed/follower.ts";
import type { Log } from "../../../runtime/log.ts";
import { readManifest, SnapshotFolder } from "../snapshots/snapshot-folder.ts";

/** Milliseconds that the ledger may take to make a mark. */
const MARK_TIMEOUT_MS = 10_000;

/**
 * The ledger history that an index has seen: the feed positions of its snapshots, and the marks stored in them. The
 * ledger uses them to prove that it has not gone back since.
 */
export class HistoryWitness {
  readonly #directory: string;
  readonly #source: ChangeSource;
  readonly #log: Log;
  /** Of the latest snapshot. */
  #mark: { readonly epoch: string; readonly mark: string } | null = null;

  /** @param directory the snapshots' folder. */
  constructor(directory: string, source: ChangeSource, log: Log) {
    this.#directory = directory;
    this.#source = source;
    this.#log = log;
  }

  /**
   * A mark that the ledger commits before a snapshot is written. A ledger that still has the mark has every change in the
   * snapshot. Null: the ledger is unavailable, and only the feed position proves the snapshot.
   */
  async makeMark(signal: AbortSignal): Promise<string | null> {
    try {
      return (await askLedger(MARK_TIMEOUT_MS, signal, async (deadline) => this.#source.mark?.(deadline))) ?? null;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#log.warn({ error: (error as Error).message }, "index.mark_failed");
      return null;
    }
  }

  /** Remembers the mark of the latest snapshot. */
  keep(epoch: string, mark: string): void {
    this.#mark = { epoch, mark };
  }

  /** As seen by a process that has read up to `place`. */
  seenAt({ epoch, cursor }: FeedPlace): SeenHistory[] {
    return [{ epoch, cursor, marks: this.#mark?.epoch === epoch ? [this.#mark.mark] : [] }];
  }

  /** As seen by all snapshots that are there. */
  async seenBefore(): Promise<SeenHistory[]> {
    const folder = new SnapshotFolder(this.#directory);
    const sequences = await folder.sequences().catch(() => []); // The host hits the same error and reports it.
    const seen: SeenHistory[] = this.#mark === null ? [] : [{ epoch: this.#mark.epoch, marks: [this.#mark.mark] }];
    for (const sequence of sequences) {
      const manifest = await readManifest(folder.pathOf(sequence));
      if (manifest === null) continue;
      const { epoch, cursor, mark } = manifest;
      seen.push({ epoch, cursor, marks: mark === undefined ? [] : [mark] });
    }
    return seen;
  }
}
