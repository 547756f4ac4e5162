import type { BucketSet } from "../../domain/buckets.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { KeyPosition, LedgerVersion } from "../../ledger/read-statements.ts";
import type { Projection } from "../../stores/projection.ts";
import type { CheckerParts } from "./check-options.ts";
import type { Comparer } from "./comparer.ts";

/** Where a walk is: at the ledger's memories, or at the entries of one projection. */
export interface WalkPosition {
  readonly stage: "ledger" | StoreId;
  /** The last memory that was compared; null at the start, and in the other stages. */
  readonly after: KeyPosition | null;
}

export const WALK_START: WalkPosition = { stage: "ledger", after: null };

export interface WalkOptions {
  readonly projections: readonly Projection[];
  /** Those to look at; null: all. */
  readonly buckets: BucketSet | null;
  /** Of those, the ones in which a projection can hold something that the ledger does not know; asked at the stage's start. */
  readonly strangersIn?: (projection: Projection) => BucketSet;
  /** Memories per page, at most. */
  readonly pageSize: number;
  /** Bytes of documents and vectors that a page should have; pages shrink to it. Null: their size does not matter. */
  readonly pageBytes: number | null;
}

/** Differing buckets up to which they are listed by name; beyond it walking over everything is as cheap. */
const NAMED_BUCKETS_MAX = 2_000;

type Row = LedgerVersion & KeyPosition;

/**
 * Goes over the ledger's memories, then over each projection for what the ledger does not know, page by page:
 *
 *     ledger ──► redis ──► faiss ──► done
 */
export class Walk {
  readonly #parts: CheckerParts;
  readonly #options: WalkOptions;
  readonly #comparer: Comparer;
  readonly #signal: AbortSignal;
  /** What is listed by name; null: everything is listed, and what is not wanted is passed over. */
  readonly #named: BucketSet | null;
  #stage: WalkPosition["stage"] | "done";
  #after: KeyPosition | null;
  #cursor: string | null = null;
  #strangersIn: BucketSet | null = null;
  #pageSize: number;
  /** The next page, asked for while this one is compared. */
  #ahead: Promise<Row[]> | null = null;

  constructor(
    parts: CheckerParts,
    options: WalkOptions,
    comparer: Comparer,
    position: WalkPosition,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#comparer = comparer;
    this.#signal = signal;
    const { buckets } = options;
    this.#named = buckets !== null && buckets.size <= NAMED_BUCKETS_MAX ? buckets : null;
    this.#stage = buckets?.size === 0 ? "done" : position.stage;
    this.#after = position.after;
    // Small at first: nobody knows yet how large the documents are.
    this.#pageSize = options.pageBytes === null ? options.pageSize : Math.min(options.pageSize, 64);
  }

  /** Where to go on with a new walk; null once all is done. */
  get position(): WalkPosition | null {
    return this.#stage === "done" ? null : { stage: this.#stage, after: this.#after };
  }

  /** Whether nothing of the present stage has been looked at. */
  get atStageStart(): boolean {
    return this.#after === null && this.#cursor === null;
  }

  /** One page. @returns memories or entries that were looked at; null when all was done before. */
  async step(): Promise<number | null> {
    if (this.#stage === "done") return null;
    return this.#stage === "ledger" ? await this.#stepLedger() : await this.#stepProjection(this.#stage);
  }

  /** Lets a page that was asked for in advance come to nothing. */
  async end(): Promise<void> {
    await this.#ahead?.catch(() => undefined); // Nobody needs it any more, nor why it failed.
    this.#ahead = null;
  }

  async #stepLedger(): Promise<number> {
    const { buckets, pageBytes } = this.#options;
    const listed = await (this.#ahead ?? this.#list(this.#after));
    this.#ahead = null;
    const last = listed.at(-1);
    const isLast = listed.length < this.#pageSize;
    const bytes = this.#comparer.bytes;
    const rows = listed.filter((row) => buckets === null || buckets.has(row.bucket));
    // Where pages follow the sizes of documents, the next one's size is known only after this one.
    if (!isLast && last !== undefined && pageBytes === null) {
      this.#ahead = this.#list(positionOf(last));
      this.#ahead.catch(() => undefined); // Until it is awaited.
    }
    if (rows.length > 0) await this.#comparer.compareRows(rows);
    if (pageBytes !== null && !isLast) this.#adaptPage(this.#comparer.bytes - bytes, rows.length, pageBytes);
    if (last !== undefined) this.#after = positionOf(last);
    if (isLast) this.#enter(this.#options.projections[0]?.id);
    return listed.length;
  }

  #adaptPage(bytes: number, rows: number, wantedBytes: number): void {
    if (rows === 0) return;
    const fitting = Math.floor(wantedBytes / Math.max(1, bytes / rows));
    this.#pageSize = Math.max(1, Math.min(this.#options.pageSize, fitting, this.#pageSize * 4));
  }

  async #stepProjection(store: StoreId): Promise<number> {
    const { projections, strangersIn } = this.#options;
    const index = projections.findIndex((projection) => projection.id === store);
    const projection = projections[index];
    if (projection === undefined) {
      this.#enter(undefined);
      return 0;
    }
    this.#strangersIn ??= strangersIn?.(projection) ?? null;
    const buckets = this.#strangersIn;
    if (buckets?.size === 0) {
      this.#enter(projections[index + 1]?.id);
      return 0;
    }
    const page = await projection.scan(this.#cursor, buckets === null ? {} : { buckets }, this.#signal);
    await this.#comparer.compareStrangers(projection, page.entries);
    this.#cursor = page.cursor;
    if (page.cursor === null) this.#enter(projections[index + 1]?.id);
    return page.entries.length;
  }

  #enter(stage: StoreId | undefined): void {
    this.#stage = stage ?? "done";
    this.#after = null;
    this.#cursor = null;
    this.#strangersIn = null;
  }

  #list(after: KeyPosition | null): Promise<Row[]> {
    return this.#parts.ledger.listVersions(after, this.#named, this.#pageSize, this.#signal);
  }
}

function positionOf({ bucket, namespace, memoryId }: KeyPosition): KeyPosition {
  return { bucket, namespace, memoryId };
}
