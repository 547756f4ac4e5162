import type { BenchMemory } from "../support/dataset.ts";
import type { KnownVectors } from "./known-vectors.ts";

export const CONTENDERS = ["mnemosync", "LangChain", "LangGraph", "mem0"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Where a contender finds its servers and its folder; nobody else uses them. */
export interface Place {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly directory: string;
  /** Numbers per vector. */
  readonly dimension: number;
}

/** Memories `from` to `to` (exclusive) as they read in `revision`. */
export interface Range {
  readonly from: number;
  readonly to: number;
  readonly revision: number;
}

/** Numbers by name: a contender's own account of what it did, or what a store of its holds. */
export type Account = Readonly<Record<string, number>>;

/** What a search by vector found. */
export interface Nearest {
  /** Nearest first. */
  readonly memoryIds: readonly string[];
  /** Cosine of the first one; null when nothing was found. */
  readonly similarity: number | null;
}

export const FAULTS = [
  "vectors lost, same memories synced again",
  "second store fails in the middle, then tried again",
  "embedded anew under unchanged ids",
  "nested metadata changed, text the same",
  "updated, then deleted",
] as const;
export type Fault = (typeof FAULTS)[number];

/** What came of a fault that was done to a contender. */
export interface Observation {
  /** How it was done. */
  readonly how: string;
  /** What the contender answered. */
  readonly says: string;
  /** What its stores hold and its searches find. */
  readonly is: string;
  /** Whether what it says is true, and in the end nothing is lost, doubled or stale. */
  readonly holds: boolean;
}

/** Somebody who keeps memories. Its methods do what its users would do, in the way that is fastest for it. */
export interface Contender {
  /** Packages and their versions. */
  readonly versions: Readonly<Record<string, string>>;
  /** Before the clock runs: for whom the size of a batch is a setting and no argument. */
  prepareFor?(batchSize: number): Promise<void>;
  /** Memories that are not stored yet, `batchSize` at a time. */
  add(memories: readonly BenchMemory[], batchSize: number): Promise<Account>;
  /** Memories that are stored already, in this revision or another one; null where there is no such thing. */
  sync: ((memories: readonly BenchMemory[], batchSize: number) => Promise<Account>) | null;
  remove(memories: readonly BenchMemory[]): Promise<Account>;
  /** Ids of the memories nearest to that one's content; null where vectors cannot be searched. */
  search: ((memory: BenchMemory, count: number) => Promise<readonly string[]>) | null;
  /** What each of its stores holds, asked of the stores themselves. */
  counts(): Promise<Account>;
  close(): Promise<void>;
}

/** Opens a contender at a place, on what an earlier one may have left there. */
export type OpenContender<C extends Contender> = (place: Place, vectors: KnownVectors) => Promise<C>;

/** Each does something to a contender and looks at what comes of it; nothing where there is nothing to do it to. */
export type Faults<C extends Contender> = Readonly<
  Record<Fault, (contender: C, memories: readonly BenchMemory[]) => Promise<readonly Observation[]>>
>;

/** What a contender's process can be asked to do. `ms` is what the contender itself took, without making the data. */
export interface ContenderOperations {
  /** Closes the one that is open, if any, and opens one at another place. */
  open: { request: Place; answer: { readonly versions: Contender["versions"] } };
  add: { request: Range & { readonly batchSize: number }; answer: Timed };
  sync: { request: Range & { readonly batchSize: number }; answer: Timed | null };
  remove: { request: Range; answer: Timed };
  search: { request: SearchRequest; answer: Searched | null };
  counts: { request: null; answer: Account };
  fault: { request: { readonly fault: Fault; readonly count: number }; answer: readonly Observation[] };
  close: { request: null; answer: null };
}

export interface Timed {
  readonly ms: number;
  readonly account: Account;
}

export interface SearchRequest {
  /** Memories whose own content is searched for, one after the other. */
  readonly numbers: readonly number[];
  readonly revision: number;
  /** Answers wanted. */
  readonly count: number;
}

export interface Searched {
  /** Milliseconds of each search. */
  readonly ms: readonly number[];
  /** Searches whose first answer was the memory that was searched for. */
  readonly right: number;
  /** Longest time for which no other callback could run meanwhile, in milliseconds. */
  readonly stallMs: number;
}
