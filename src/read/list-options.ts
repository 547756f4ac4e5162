import type { Filter } from "../domain/filter/filter.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Memory } from "../domain/memory.ts";
import { SORT_FIELDS, type SortField } from "../ledger/sort-expression.ts";
import type { ReadSources } from "./read-sources.ts";

/** Orders of a list. Ids count by their UTF-8 bytes, also where times, or importances, are equal. */
export const LIST_ORDERS = [
  "memoryId",
  "memoryId desc",
  "createdAt",
  "createdAt desc",
  "modifiedAt",
  "modifiedAt desc",
  "importance",
  "importance desc",
] as const;
export type ListOrder = (typeof LIST_ORDERS)[number];

/** The field that an order goes by before the id; null: by the id alone. */
export function sortFieldOf(order: ListOrder): SortField | null {
  return SORT_FIELDS.find((field) => order.startsWith(field)) ?? null;
}

/** Memories of a page, at most, and namespaces of one. */
export const PAGE_MAX = 1_000;
/** Ids of one `getMany`, at most. */
export const GET_MANY_MAX = 1_000;

export interface ListQuery {
  /** Which memories. @default all */
  where?: Filter | undefined;
  /**
   * The order. Those by time and by importance need an index each (setting `indexes.orders`), since every write pays for one.
   * Others are refused.
   * @default "memoryId"
   */
  orderBy?: ListOrder | undefined;
  /** Memories of a page: 1 … 1_000. A page may be shorter, and is not the last one for that. @default 100 */
  limit?: number | undefined;
  /** The `cursor` of the page before, with the same namespace, `where` and `orderBy`. @default the start */
  cursor?: string | undefined;
  /** Whether memories have their vectors. @default false */
  embedding?: boolean | undefined;
}

/** A memory of a list. */
export interface ListedMemory<Metadata extends object = JsonObject> extends Omit<Memory<Metadata>, "embedding"> {
  /**
   * When the memory was created, milliseconds since 1970 of the ledger's clock: kept over its versions, and begun anew when it
   * is written again after its end.
   */
  readonly createdAt: number;
  /** Numbers of its vector; null without one. */
  readonly dimension: number | null;
  /** Only where vectors were asked for; null without one. */
  readonly embedding?: Float32Array | null;
}

export interface MemoryPage<Metadata extends object = JsonObject> {
  readonly memories: readonly ListedMemory<Metadata>[];
  /** The sides that the page stands on. Only where a replica is set up. */
  readonly sources?: ReadSources;
  /** Where the next page begins; null at the end, and only there. */
  readonly cursor: string | null;
}

export interface CountQuery {
  /** Which memories. @default all */
  where?: Filter | undefined;
  /**
   * True: the guess of PostgreSQL's planner, at once and without reading a memory. It may be far off, most of all with
   * tests of metadata. @default false
   */
  estimate?: boolean | undefined;
}

export interface MemoryCount {
  readonly count: number;
  /**
   * Whether `count` is a guess of the planner. With a replica also: whether its share was not counted to the end; then it is a
   * bound from below.
   */
  readonly estimate: boolean;
  /** The sides that the count stands on. Only where a replica is set up. */
  readonly sources?: ReadSources;
}

export interface NamespacesQuery {
  /** Namespaces of a page: 1 … 1_000. @default 1_000 */
  limit?: number | undefined;
  /** The `cursor` of the page before. @default the start */
  cursor?: string | undefined;
  /** Only those of these, at most 10_000. @default all */
  among?: readonly string[] | undefined;
}

export interface NamespacePage {
  /** In the order of their bytes. */
  readonly namespaces: readonly string[];
  /** Where the next page begins; null at the end. */
  readonly cursor: string | null;
}
