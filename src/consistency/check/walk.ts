import type { BucketSet } from "../../domain/buckets.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { KeyPosition, LedgerVersion } from "../../ledger/read-statements.ts";
import type { Projection } from "../../stores/projection.ts";
import type { CheckContext, CheckedStore } from "./check-context.ts";
import type { Comparer } from "./comparer.ts";
import { WALK_START, type WalkPosition } from "./position.ts";

export interface WalkOptions {
  /** Where to begin. @default at the start */
  readonly position?: WalkPosition | null;
  /** The buckets to visit. @default all */
  readonly buckets?: BucketSet;
  /** Of those, the buckets in which a projection can hold an entry that the ledger does not know. Called once per stage. */
  readonly unknownIn?: (projection: Projection) => BucketSet;
  /** Memories per page, at most. */
  readonly pageSize: number;
  /** Target size of a page in bytes of documents and vectors; pages shrink to it. @default unlimited */
  readonly pageBytes?: number;
}

/** Differing buckets up to which they are listed by name; with more of them, a walk over everything costs no more. */
const NAMED_BUCKETS_MAX = 2_000;

/** Memories of the first page where pages follow the sizes of documents, which are unknown until then. */
const FIRST_PAGE_SIZE = 64;

type Row = LedgerVersion & KeyPosition;

/**
 * Iterates over the ledger's memories, then over each projection for entries that the ledger does not know, page by page:
 *
 *     ledger ──► first projection ──► … ──► last projection ──► done
 */
export class Walk {
  readonly #context: CheckContext;
  readonly #options: WalkOptions;
  readonly #comparer: Comparer;
  /** Buckets that are listed by name; null: everything is listed, and unwanted buckets are skipped. */
  readonly #named: BucketSet | null;
  #stage: StoreId | null;
  #after: KeyPosition | null;
  #cursor: string | null = null;
  #unknownIn: BucketSet | null = null;
  #pageSize: number;
  /** The next page, prefetched while this one is compared. */
  #prefetched: Promise<Row[]> | null = null;

  constructor(context: CheckContext, comparer: Comparer, options: WalkOptions) {
    this.#context = context;
    this.#options = options;
    this.#comparer = comparer;
    const { buckets, pageBytes, pageSize } = options;
    const position = options.position ?? WALK_START;
    this.#named = buckets !== undefined && buckets.size <= NAMED_BUCKETS_MAX ? buckets : null;
    this.#stage = buckets?.size === 0 ? null : position.stage;
    this.#after = position.after;
    this.#pageSize = pageBytes === undefined ? pageSize : Math.min(pageSize, FIRST_PAGE_SIZE);
  }

  /** The position from which a new walk can resume; null at the end. */
  get position(): WalkPosition | null {
    return this.#stage === null ? null : { stage: this.#stage, after: this.#after };
  }

  /** Whether the current stage has not processed any page yet. */
  get atStageStart(): boolean {
    return this.#after === null && this.#cursor === null;
  }

  /** Processes one page. @returns the number of its memories or entries; null when the walk had already ended. */
  async step(): Promise<number | null> {
    if (this.#stage === null) return null;
    if (this.#stage === LEDGER_ID) return await this.#stepLedger();
    const store = this.#context.checked.find(({ projection }) => projection.id === this.#stage);
    if (store !== undefined) return await this.#stepProjection(store);
    this.#stage = null;
    return 0;
  }

  /** Discards the prefetched page. */
  async end(): Promise<void> {
    await this.#prefetched?.catch(() => undefined); // A failure does not matter, because nothing reads the page.
    this.#prefetched = null;
  }

  async #stepLedger(): Promise<number> {
    const { buckets, pageBytes } = this.#options;
    const listed = await (this.#prefetched ?? this.#list(this.#after));
    this.#prefetched = null;
    const last = listed.at(-1);
    const isLast = listed.length < this.#pageSize;
    const bytes = this.#comparer.bytes;
    const rows = listed.filter((row) => buckets === undefined || buckets.has(row.bucket));
    // Where pages follow the sizes of documents, the next page's size is known only after this page.
    if (!isLast && last !== undefined && pageBytes === undefined) {
      this.#prefetched = this.#list(positionOf(last));
      this.#prefetched.catch(() => undefined); // Until it is awaited.
    }
    if (rows.length > 0) await this.#comparer.compareRows(rows);
    if (pageBytes !== undefined && !isLast) this.#adaptPage(this.#comparer.bytes - bytes, rows.length, pageBytes);
    if (last !== undefined) this.#after = positionOf(last);
    if (isLast) this.#enter(this.#context.checked[0]);
    return listed.length;
  }

  #adaptPage(bytes: number, rows: number, wantedBytes: number): void {
    if (rows === 0) return;
    const fitting = Math.floor(wantedBytes / Math.max(1, bytes / rows));
    this.#pageSize = Math.max(1, Math.min(this.#options.pageSize, fitting, this.#pageSize * 4));
  }

  async #stepProjection(store: CheckedStore): Promise<number> {
    const { checked, signal } = this.#context;
    const { projection } = store;
    const next = checked[checked.indexOf(store) + 1];
    this.#unknownIn ??= this.#options.unknownIn?.(projection) ?? null;
    const buckets = this.#unknownIn;
    if (buckets?.size === 0) {
      this.#enter(next);
      return 0;
    }
    const page = await projection.scan(this.#cursor, buckets === null ? {} : { buckets }, signal);
    await this.#comparer.findUnknown(store, page.entries);
    this.#cursor = page.cursor;
    if (page.cursor === null) this.#enter(next);
    return page.entries.length;
  }

  #enter(store: CheckedStore | undefined): void {
    this.#stage = store?.projection.id ?? null;
    this.#after = null;
    this.#cursor = null;
    this.#unknownIn = null;
  }

  #list(after: KeyPosition | null): Promise<Row[]> {
    const { parts, signal } = this.#context;
    return parts.ledger.listVersions(after, this.#named, this.#pageSize, signal);
  }
}

function positionOf({ bucket, namespace, memoryId }: KeyPosition): KeyPosition {
  return { bucket, namespace, memoryId };
}
