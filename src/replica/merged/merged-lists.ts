import type { ScanPlace } from "../../ledger/find-statements.ts";
import type { OnBytes } from "../../read/bounded-reads.ts";
import type { FoundPage } from "../../read/finder.ts";
import { encodeListCursor, type ListScope } from "../../read/list-cursor.ts";
import { type ListedMemory, type MemoryPage, sortFieldOf } from "../../read/list-options.ts";
import { readRowContents } from "./contents.ts";
import type { Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import { comparePlaces, firstPlace } from "./places.ts";
import { listedReplicaMemory } from "./replica-memory.ts";
import type { ReplicaSide } from "./replica-side.ts";
import type { ReplicaPage, ReplicaRow } from "./sides.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/** Rows that one step looks at in the replica: at least, and for each memory of the page. */
const STEP_ROWS = { min: 200, perMemory: 4 };
/** Steps of one page, at most: most rows of the replica may be ones that the primary deleted. */
const STEPS_MAX = 8;

export interface MergedPageOptions {
  /** Up to where the primary's memories were shown, and what the replica alone has; null: the start. */
  readonly after: { readonly place: ScanPlace | null; readonly replica: ScanPlace | null };
  readonly limit: number;
  readonly withEmbedding: boolean;
  /** Told of the bytes of the replica's memories. */
  readonly onBytes?: OnBytes | undefined;
}

/** The replica lacks the index of the order. */
const NO_ORDER = Symbol("no order");

/** A memory at its place. */
interface Placed {
  readonly memory: ListedMemory;
  readonly place: ScanPlace;
}

/** What a stretch of the replica adds to a page. */
interface Stretch {
  readonly placed: readonly Placed[];
  /** The place up to which the replica was looked at; undefined: to its end. */
  readonly end: ScanPlace | undefined;
}

/**
 * Lists over both sides, in one order. The primary shows its memories, the replica those that it alone has: a memory is never shown
 * twice, whichever side is read first, since the primary is asked about each row of the replica.
 *
 * A list has two places: up to where the primary's memories were shown, and up to where the replica's. They are the same
 * while both sides answer. Pages without the replica move only the first one; when it is back, the next pages begin with
 * what it has to catch up, which is out of order, and complete.
 */
export class MergedLists {
  readonly #side: ReplicaSide;
  readonly #stepRows: typeof STEP_ROWS;

  constructor(side: ReplicaSide, stepRows = STEP_ROWS) {
    this.#side = side;
    this.#stepRows = stepRows;
  }

  /** @param readPrimary the page of the primary behind `after.place`. */
  async list(
    scope: ListScope,
    page: MergedPageOptions,
    readPrimary: () => Promise<FoundPage>,
    signal: AbortSignal,
  ): Promise<Merged<MemoryPage>> {
    const read = new MergedRead(this.#side, "list", signal);
    const first = this.#step(read, scope, page, page.after.replica);
    let primary: FoundPage;
    try {
      primary = await readPrimary();
    } catch (error) {
      if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      return await this.#alone(read.primaryFailed(), scope, page, error);
    }
    const stretch = await this.#merge(read, scope, page, primary, first);
    return { answer: this.#page(scope, page, primary, stretch), sources: read.end() };
  }

  #rowsMaxOf(limit: number): number {
    const { min, perMemory } = this.#stepRows;
    return Math.max(min, limit * perMemory);
  }

  /** One step on the replica, which never rejects. */
  async #step(
    read: MergedRead,
    { namespace, condition, order }: ListScope,
    { limit }: Pick<MergedPageOptions, "limit">,
    after: ScanPlace | null,
  ): Promise<ReplicaPage | null> {
    const { archive } = this.#side.parts;
    const query = {
      ...{ namespace, condition, after, archive },
      rowsMax: this.#rowsMaxOf(limit),
      sortField: sortFieldOf(order),
      isDescending: order.endsWith(" desc"),
    };
    const step = await read.ask(async (reads, signal) =>
      (await reads.canOrder(query.sortField, signal)) ? await reads.listRows(query, signal) : NO_ORDER,
    );
    if (step !== NO_ORDER) return step;
    read.leaveOff();
    return null;
  }

  /**
   * What the replica adds to a page of the primary: up to the page's end, for as many steps as it takes to fill the page or to
   * reach that end. Null: it does not take part, and its place stays.
   */
  async #merge(
    read: MergedRead,
    scope: ListScope,
    page: MergedPageOptions,
    primary: FoundPage,
    first: Promise<ReplicaPage | null>,
  ): Promise<Stretch | null> {
    const { order, namespace } = scope;
    const shown = new Set(primary.memories.map(({ memoryId }) => memoryId));
    // Beyond the page's end, a memory of the replica comes on a later page.
    const until = primary.end ?? undefined;
    const isWithin = (row: ReplicaRow) => until === undefined || comparePlaces(row, until, order) <= 0;
    const placed: Placed[] = [];
    let end: ScanPlace | undefined;
    let step = await first;
    for (let steps = 1; ; steps++) {
      if (step === null) return null;
      const rows = await read.judge(
        namespace,
        step,
        step.rows.filter((row) => !shown.has(row.memoryId) && isWithin(row)),
      );
      if (!read.takesPart) return null;
      const wanted = rows.slice(0, page.limit - placed.length);
      const contents = await this.#contents(read, scope, page, wanted);
      if (contents === null) return null;
      placed.push(...contents.placed);
      if (contents.cut !== undefined) return { placed, end: contents.cut };
      if (wanted.length < rows.length) return { placed, end: placeOf(wanted.at(-1) as ReplicaRow) };
      const isLast = step.scanned < this.#rowsMaxOf(page.limit) || step.last === null;
      end = isLast ? undefined : (step.last ?? undefined);
      const isPast = end === undefined || (until !== undefined && comparePlaces(end, until, order) >= 0);
      // The rest of the replica's stretch is the next page's: the page of the primary is cut at its end.
      const isEnough = placed.length > 0 || steps >= STEPS_MAX || !read.hasTime;
      if (isPast || isEnough || isOrdered(primary, end, order)) return { placed, end };
      step = await this.#step(read, scope, page, end ?? null);
    }
  }

  /** The memories of the rows, up to the first one that does not fit into the answer's bytes. */
  async #contents(
    read: MergedRead,
    { namespace }: ListScope,
    { withEmbedding, onBytes }: Pick<MergedPageOptions, "withEmbedding" | "onBytes">,
    rows: readonly ReplicaRow[],
  ): Promise<{ placed: Placed[]; cut: ScanPlace | undefined } | null> {
    const found = await readRowContents(read, namespace, rows, { withEmbedding });
    if (found === null) return null;
    onBytes?.(found.bytes);
    const placed: Placed[] = [];
    let before: ScanPlace | undefined;
    for (const row of rows) {
      if (found.cut.has(row.memoryId)) return { placed, cut: before };
      before = placeOf(row);
      const content = found.contents.get(row.memoryId);
      const memory = content === undefined ? null : listedReplicaMemory(namespace, content, withEmbedding);
      if (memory !== null) placed.push({ memory, place: before });
    }
    return { placed, cut: undefined };
  }

  /** The page and its cursor: cut where the first of both sides, or the limit, ends. */
  #page(scope: ListScope, page: MergedPageOptions, primary: FoundPage, stretch: Stretch | null): MemoryPage {
    const { order } = scope;
    const { after, limit } = page;
    if (stretch === null) {
      const { memories, end } = primary;
      return { memories, cursor: end === null ? null : cursorOf(scope, end, after.replica) };
    }
    const own = primary.memories.map((memory, at): Placed => ({ memory, place: primary.places[at] as ScanPlace }));
    const all = [...own, ...stretch.placed].sort((a, b) => comparePlaces(a.place, b.place, order));
    const cut = firstPlace(primary.end ?? undefined, stretch.end, order);
    const within = cut === undefined ? all : all.filter(({ place }) => comparePlaces(place, cut, order) <= 0);
    const shown = within.slice(0, limit);
    const memories = shown.map(({ memory }) => memory);
    const end = shown.length < within.length ? shown.at(-1)?.place : cut;
    if (end === undefined) return { memories, cursor: null };
    // While the replica catches up, the primary's place stays.
    const place = after.place !== null && comparePlaces(end, after.place, order) < 0 ? after.place : end;
    return { memories, cursor: cursorOf(scope, place, end) };
  }

  /** A page of the replica alone. */
  async #alone(
    read: MergedRead,
    scope: ListScope,
    page: MergedPageOptions,
    failure: unknown,
  ): Promise<Merged<MemoryPage>> {
    const nothing: FoundPage = { memories: [], places: [], end: null };
    const stretch = await this.#merge(read, scope, page, nothing, this.#step(read, scope, page, page.after.place));
    if (stretch === null) throw failure;
    return { answer: this.#page(scope, page, nothing, stretch), sources: read.end() };
  }
}

function placeOf({ memoryId, sort }: ReplicaRow): ScanPlace {
  return { memoryId, sort };
}

/** Whether memories of the primary come before the end of the replica's stretch: then the page is not empty. */
function isOrdered({ places: [first] }: FoundPage, end: ScanPlace | undefined, order: ListScope["order"]): boolean {
  return first !== undefined && end !== undefined && comparePlaces(first, end, order) <= 0;
}

function cursorOf(scope: ListScope, place: ScanPlace, replica: ScanPlace | null): string {
  const isSame = replica !== null && replica.memoryId === place.memoryId && replica.sort === place.sort;
  return isSame ? encodeListCursor(place, scope) : encodeListCursor(place, scope, replica);
}
