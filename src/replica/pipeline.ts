import { type FeedCursor, isLater } from "../domain/change-source.ts";
import { keyText } from "../domain/keys.ts";
import type { PlaceMove } from "./cursor-statements.ts";
import type { PrimaryPage } from "./primary-feed.ts";
import type { ReplicaWrite } from "./replica-write.ts";

export interface PipelineOptions {
  /** Lanes that write at a time. A memory has one lane while writes of it are under way, so its changes keep their order. */
  readonly workers: number;
  /** Changes per transaction, at most. */
  readonly batchSize: number;
  /** Changes that are taken and not committed, at most; a page more where nothing is under way. Their bytes have a limit beside it. */
  readonly windowMax: number;
  /** Where the replica's place is. */
  readonly from: FeedCursor;
  /** Writes a batch in one transaction, and moves the place with it where one is given. */
  readonly write: (writes: readonly ReplicaWrite[], move: PlaceMove | null) => Promise<void>;
}

/** A page under way. */
interface OpenPage {
  readonly to: FeedCursor;
  readonly seen: string | null;
  readonly batches: Batch[];
}

interface Batch {
  readonly writes: readonly ReplicaWrite[];
  state: "waiting" | "writing" | "done";
  /** Settles with the writing. */
  written: Promise<void>;
}

/** Fewer writes than this are no work for a lane more: a transaction costs as much as some of them. */
const SHARE_MIN = 50;

/**
 * Bytes of documents and embeddings that are taken and not committed, at most; a page more where nothing is under way. A window of
 * `windowMax` memories of a megabyte each would be gigabytes, which a replica that is slower than its primary fills.
 */
const WINDOW_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Writes pages of the feed in several lanes at a time, while the place moves in order: it is never ahead of the data. The last
 * batch of a page takes the place along, in its own transaction, once all batches before it are committed.
 *
 *   waiting ──its lane is free──► writing ──committed──► done
 *
 * After a failure nothing more is written: its owner asks the replica where it stands, and begins a new pipeline there.
 */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #lanes: Promise<void>[];
  /** Lanes of the memories of which writes are under way, and how many. */
  readonly #laneOf = new Map<string, { readonly lane: number; writes: number }>();
  readonly #pages: OpenPage[] = [];
  #place: FeedCursor;
  /** Of the last page that was taken. */
  #end: { readonly to: FeedCursor; readonly seen: string | null };
  #nextLane = 0;
  #underWay = 0;
  #bytesUnderWay = 0;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.workers }, () => Promise.resolve());
    this.#place = options.from;
    this.#end = { to: options.from, seen: null };
  }

  /** The place that is committed. */
  get place(): FeedCursor {
    return this.#place;
  }

  /** Takes a page, as soon as the window has room for it. @throws what a write has thrown. */
  async add({ writes, to }: Pick<PrimaryPage, "writes" | "to">): Promise<void> {
    const bytes = bytesOf(writes);
    while (this.#underWay > 0 && !this.#hasRoomFor(writes.length, bytes)) await this.#someProgress();
    this.#check();
    const page: OpenPage = { to, seen: writes.at(-1)?.transactionId ?? null, batches: [] };
    this.#pages.push(page);
    this.#end = { to, seen: page.seen ?? this.#end.seen };
    this.#underWay += writes.length;
    this.#bytesUnderWay += bytes;
    for (const [lane, own] of this.#byLane(writes).entries()) {
      for (let start = 0; start < own.length; start += this.#options.batchSize) {
        this.#queue(lane, page, own.slice(start, start + this.#options.batchSize));
      }
    }
  }

  /**
   * Resolves once all that was taken is committed.
   * @returns where the place still has to go: pages without a write have no transaction that takes it along.
   * @throws what a write has thrown, once no write is under way.
   */
  async drain(): Promise<PlaceMove | null> {
    await Promise.all(this.#lanes);
    this.#check();
    return isLater(this.#end.to, this.#place) ? { from: this.#place, ...this.#end } : null;
  }

  /** Writes nothing more. Resolves once no write is under way. */
  async abandon(reason: unknown): Promise<void> {
    this.#failure ??= { error: reason };
    await Promise.all(this.#lanes);
  }

  #hasRoomFor(writes: number, bytes: number): boolean {
    return this.#underWay + writes <= this.#options.windowMax && this.#bytesUnderWay + bytes <= WINDOW_BYTES_MAX;
  }

  #queue(lane: number, page: OpenPage, writes: readonly ReplicaWrite[]): void {
    const batch: Batch = { writes, state: "waiting", written: Promise.resolve() };
    page.batches.push(batch);
    const before = this.#lanes[lane] as Promise<void>;
    this.#lanes[lane] = before.then(() => {
      if (this.#failure !== null) return;
      batch.written = this.#write(batch, page);
      return batch.written;
    });
  }

  async #write(batch: Batch, page: OpenPage): Promise<void> {
    batch.state = "writing";
    try {
      const move = await this.#moveOf(batch, page);
      await this.#options.write(batch.writes, move);
      if (move !== null) this.#place = move.to;
      batch.state = "done";
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#underWay -= batch.writes.length;
      this.#bytesUnderWay -= bytesOf(batch.writes);
      this.#forgetLanes(batch.writes);
      this.#forgetPages();
      this.#wake?.();
    }
  }

  /**
   * The move that a batch takes along: null while another batch before it waits for its lane, since that one comes later and
   * takes the place along itself. Batches that are being written are waited for: each of them began earlier, so none waits
   * for this one.
   */
  async #moveOf(batch: Batch, page: OpenPage): Promise<PlaceMove | null> {
    const upTo = this.#pages.slice(0, this.#pages.indexOf(page) + 1).flatMap(({ batches }) => batches);
    const others = upTo.filter((other) => other !== batch);
    if (others.some(({ state }) => state === "waiting")) return null;
    await Promise.all(others.map(({ written }) => written));
    this.#check();
    let { to, seen } = page;
    // Pages behind it that are written already, or have nothing to write.
    for (const next of this.#pages.slice(this.#pages.indexOf(page) + 1)) {
      if (next.batches.some(({ state }) => state !== "done")) break;
      to = next.to;
      seen = next.seen ?? seen;
    }
    return isLater(to, this.#place) ? { from: this.#place, to, seen } : null;
  }

  #forgetPages(): void {
    while (this.#pages[0]?.batches.every(({ state }) => state === "done")) this.#pages.shift();
  }

  /** Shares of a page, as they stand in it: neighbours of one transaction are neighbours in the replica's indexes too. */
  #byLane(writes: readonly ReplicaWrite[]): ReplicaWrite[][] {
    const { length: lanes } = this.#lanes;
    const shares: ReplicaWrite[][] = Array.from({ length: lanes }, () => []);
    const share = Math.max(Math.ceil(writes.length / lanes), Math.min(SHARE_MIN, this.#options.batchSize));
    // Not always the same lane for what is left over.
    let [lane, taken] = [this.#nextLane, 0];
    for (const write of writes) {
      if (taken === share) [lane, taken] = [(lane + 1) % lanes, 0];
      const key = keyText(write);
      const known = this.#laneOf.get(key);
      if (known === undefined) {
        this.#laneOf.set(key, { lane, writes: 1 });
        taken++;
      } else {
        known.writes++;
      }
      shares[known?.lane ?? lane]?.push(write);
    }
    this.#nextLane = (lane + 1) % lanes;
    return shares;
  }

  #forgetLanes(writes: readonly ReplicaWrite[]): void {
    for (const write of writes) {
      const key = keyText(write);
      const known = this.#laneOf.get(key);
      if (known !== undefined && --known.writes === 0) this.#laneOf.delete(key);
    }
  }

  async #someProgress(): Promise<void> {
    this.#check();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}

function bytesOf(writes: readonly ReplicaWrite[]): number {
  let bytes = 0;
  for (const { document, embedding } of writes) bytes += (document?.length ?? 0) + (embedding?.byteLength ?? 0);
  return bytes;
}
