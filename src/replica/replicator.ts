import { type FeedCursor, hasMissed } from "../domain/change-source.ts";
import type { MnemosyncError } from "../domain/errors.ts";
import { StoreUnavailableError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { newUlid } from "../runtime/ulid.ts";
import { BatchWriter } from "./batch-writer.ts";
import { callSide } from "./call.ts";
import type { Comparison } from "./comparison.ts";
import * as cursors from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { Pipeline } from "./pipeline.ts";
import type { PrimaryFeed, PrimaryPage } from "./primary-feed.ts";
import type { KeptProof, PrimaryProof } from "./primary-proof.ts";
import { isRefusal, type Refusals } from "./refusals.ts";
import type { ReplicaWrite } from "./replica-write.ts";
import type { ReplicaSettings } from "./settings.ts";

export interface ReplicatorParts {
  readonly primary: Pick<PrimaryFeed, "read" | "pruned">;
  readonly proof: PrimaryProof;
  readonly replica: PostgresAccess;
  readonly refusals: Refusals;
  readonly comparison: Comparison;
  readonly settings: Pick<ReplicaSettings, "workers" | "batchSize" | "windowMax">;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds that one call to the replica may take. */
  readonly callTimeoutMs: number;
  readonly log: Log;
  /** Told of the place when it was committed, and asked whether to go on: false once another process replicates. */
  readonly onMoved: (place: cursors.ReplicaCursor, changes: number, signal: AbortSignal) => Promise<boolean>;
}

/** What a pass came to. */
export interface ReplicationPass {
  /** Versions that were written. */
  readonly written: number;
  /** Whether the end of the feed was reached. */
  readonly complete: boolean;
}

/** Versions of a page, at most. */
const PAGE_MAX = 1_000;

/**
 * Writes the primary's feed into the replica. One pass goes on where the replica's place is, to the end of the feed; it has no
 * timers. The replica's own place counts, never one that is remembered: a replica that was put back goes on from there.
 */
export class Replicator {
  readonly #parts: ReplicatorParts;
  readonly #batches = new BatchWriter();
  /** Names this process since its last failure: what it sent before then, and what is under way still, is refused. */
  #writer: string | null = null;
  #epoch = "";

  constructor(parts: ReplicatorParts) {
    this.#parts = parts;
  }

  /** What says that this process may write, as of its last pass. */
  get fence(): cursors.Fence {
    return { writer: this.#writer ?? "", epoch: this.#epoch };
  }

  /**
   * @throws {StoreUnavailableError} One of the two databases is away. @throws {StoreRefusedError} The replica takes no writes.
   * @throws {EpochChangedError} The primary was put back meanwhile: the next pass compares.
   */
  async runOnce(signal: AbortSignal): Promise<ReplicationPass> {
    try {
      return await this.#pass(signal);
    } catch (error) {
      this.#writer = null;
      throw error;
    }
  }

  async #pass(signal: AbortSignal): Promise<ReplicationPass> {
    const { comparison, proof, log, onMoved } = this.#parts;
    let state = await this.#begin(signal);
    this.#epoch = state.feedEpoch;
    const { fence } = this;
    let written = 0;
    for (;;) {
      const read = await this.#follow(state, fence, signal);
      written += read.written;
      if (!read.complete) return { written, complete: false };
      state = await this.#read(signal);
      await onMoved(state, 0, signal);
      if (state.epoch !== null) return { written, complete: true };
      if (state.compares !== null) await proof.assertRenewed(state, signal);
      await comparison.run(fence, state, signal);
      if (!(await callSide(this.#parts, this.#parts.replica, signal, (sql) => cursors.completeEpoch(sql, fence))))
        throw new FencedError();
      state = { ...state, epoch: fence.epoch, compares: null, compared: null };
      log.info({ epoch: fence.epoch }, "replica.epoch_complete");
    }
  }

  /** Writes what stands behind the replica's place, to the end of the feed. */
  async #follow(state: cursors.ReplicaCursor, fence: cursors.Fence, signal: AbortSignal): Promise<ReplicationPass> {
    const { primary, proof, settings, onMoved } = this.#parts;
    const pipeline = this.#pipeline(state.cursor, fence, signal);
    let { cursor } = state;
    let written = 0;
    let isProven = true; // By the beginning of the pass.
    let kept: KeptProof = state;
    let page: PrimaryPage;
    try {
      do {
        page = await primary.read({ epoch: fence.epoch, cursor }, pageLimit(settings), signal);
        if (hasMissed(state, page.pruned, cursor)) {
          await this.#settled(pipeline, fence, signal);
          await this.#readAnew(page.pruned, signal);
          return { written, complete: false };
        }
        // A pass may take hours. Later than the page, whose transactions would stand for those that the primary lost before.
        if (!isProven) await proof.assert(fence.epoch, signal);
        isProven = false;
        kept = await this.#covered(kept, fence, page, signal);
        await pipeline.add(page);
        const last = page.writes.at(-1);
        if (last !== undefined) proof.note(fence.epoch, last.transactionId);
        written += page.writes.length;
        cursor = page.to;
        const mayGoOn = await onMoved({ ...state, cursor: pipeline.place }, page.writes.length, signal);
        if (!mayGoOn) break;
      } while (!page.complete);
      await this.#settled(pipeline, fence, signal);
      return { written, complete: page.complete };
    } catch (error) {
      await pipeline.abandon(error);
      throw error;
    }
  }

  /**
   * What stands behind a page withholds versions on it, and may be lost before it arrives: nothing that the replica has would tell, and
   * these versions would stay withheld. So a mark that was made after it is kept before the page is written.
   */
  async #covered(
    kept: KeptProof,
    fence: cursors.Fence,
    { withheldBy }: PrimaryPage,
    signal: AbortSignal,
  ): Promise<KeptProof> {
    const { proof, replica } = this.#parts;
    const open = withheldBy.filter(({ xid }) => !proof.covers(kept, xid));
    if (open.length === 0) return kept;
    for (const { transactionId } of open) if (transactionId !== null) proof.note(fence.epoch, transactionId);
    const mark = await proof.assertRenewed(kept, signal);
    if (!(await callSide(this.#parts, replica, signal, (sql) => cursors.keepMark(sql, fence, mark))))
      throw new FencedError();
    return { ...kept, mark };
  }

  /** Proves that the primary has what the replica was told, and takes the writing over. */
  async #begin(signal: AbortSignal): Promise<cursors.ReplicaCursor> {
    const { proof, primary, refusals, log } = this.#parts;
    const isFirst = this.#writer === null;
    if (isFirst) {
      const writer = `${this.#parts.holder}/${newUlid()}`;
      await callSide(this.#parts, this.#parts.replica, signal, (sql) => cursors.claimWriting(sql, writer));
      await refusals.recall(signal);
      this.#writer = writer;
    }
    const state = await this.#read(signal);
    // What was written by a process that ended before it kept the place: nothing else would tell that the primary lost it.
    const epoch = isFirst ? (await proof.renew(state, signal)).epoch : await proof.prove(state, signal);
    if (epoch !== state.feedEpoch) {
      log.warn({ from: state.feedEpoch, to: epoch }, "replica.epoch_changed");
      // It may have lost letters with its past, and nothing else would have these memories shown again once they arrive.
      if (!isFirst) await refusals.recall(signal);
      await this.#beginAnew({ epoch, pruned: await primary.pruned(signal), compares: "epoch", mark: null }, signal);
      return await this.#read(signal);
    }
    return state;
  }

  async #readAnew(pruned: FeedCursor | null, signal: AbortSignal): Promise<void> {
    const state = await this.#read(signal);
    const mark = await this.#parts.proof.assertRenewed(state, signal);
    this.#parts.log.warn({ epoch: state.feedEpoch }, "replica.endings_missed");
    // Rows of another epoch that are not compared yet may be lost, and not ended.
    const compares = state.compares ?? "pruned";
    await this.#beginAnew({ epoch: state.feedEpoch, pruned, compares, mark }, signal);
  }

  async #beginAnew(anew: cursors.NewBeginning, signal: AbortSignal): Promise<void> {
    const writer = this.#writer ?? "";
    if (!(await callSide(this.#parts, this.#parts.replica, signal, (sql) => cursors.beginAnew(sql, writer, anew))))
      throw new FencedError();
  }

  #pipeline(from: FeedCursor, fence: cursors.Fence, signal: AbortSignal): Pipeline {
    const write = async (writes: readonly ReplicaWrite[], move: cursors.PlaceMove | null): Promise<void> => {
      try {
        await this.#write(fence, writes, move, signal);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await this.#writeEach(fence, writes, move, error, signal);
      }
    };
    return new Pipeline({ ...this.#parts.settings, from, write });
  }

  async #write(
    fence: cursors.Fence,
    writes: readonly ReplicaWrite[],
    move: cursors.PlaceMove | null,
    signal: AbortSignal,
  ): Promise<void> {
    const answer = await callSide(this.#parts, this.#parts.replica, signal, (_, connection) =>
      this.#batches.write(connection, fence, writes, move),
    );
    if (answer === "fenced") throw new FencedError();
    if (answer === "elsewhere") throw movedAway();
  }

  /** Finds the memories that are refused, has them kept for later, and writes the others. */
  async #writeEach(
    fence: cursors.Fence,
    writes: readonly ReplicaWrite[],
    move: cursors.PlaceMove | null,
    refusal: MnemosyncError,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#parts.refusals.isolate(fence, writes, refusal, (own) => this.#write(fence, own, null, signal), signal);
    if (move !== null) await this.#move(fence, move, signal);
  }

  /** Waits for what is under way, and takes the place along that no batch took. */
  async #settled(pipeline: Pipeline, fence: cursors.Fence, signal: AbortSignal): Promise<void> {
    const rest = await pipeline.drain();
    if (rest !== null) await this.#move(fence, rest, signal);
  }

  async #move(fence: cursors.Fence, move: cursors.PlaceMove, signal: AbortSignal): Promise<void> {
    if (!(await callSide(this.#parts, this.#parts.replica, signal, (sql) => cursors.moveCursor(sql, fence, move))))
      throw movedAway();
  }

  async #read(signal: AbortSignal): Promise<cursors.ReplicaCursor> {
    const state = await callSide(this.#parts, this.#parts.replica, signal, cursors.readReplicaCursor);
    if (state === null)
      throw new StoreUnavailableError("replica", "its place is gone: it is being promoted, or was replaced");
    return state;
  }
}

function pageLimit({ workers, batchSize, windowMax }: ReplicatorParts["settings"]): number {
  return Math.max(1, Math.min(workers * batchSize, windowMax, PAGE_MAX));
}

function movedAway(): StoreUnavailableError {
  return new StoreUnavailableError(
    "replica",
    "its place is not where it was: it was put back, or another process writes to it",
  );
}
