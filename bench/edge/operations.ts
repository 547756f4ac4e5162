/** What a contender of the edge's benchmark can be asked to do. `ms` is what it took itself, without making the data. */
export interface ReplicatorOperations {
  /** Begins a hub for the others. Its address. */
  serve: { request: null; answer: { readonly url: string } };
  /** Versions of its packages. */
  versions: { request: null; answer: Readonly<Record<string, string>> };
  /** Begins a local database of this name that is empty. */
  open: { request: OpenRequest; answer: null };
  /** Writes documents locally. */
  fill: { request: { readonly count: number }; answer: null };
  /** Sends what was written. `arrived`: documents that the hub has, asked of the hub. */
  push: { request: null; answer: Replicated };
  /** Gets what the hub has. `arrived`: documents that stand in the local database. */
  pull: { request: null; answer: Replicated };
  close: { request: null; answer: null };
}

export interface OpenRequest {
  /** Names the database here and at the hub. */
  readonly name: string;
  readonly directory: string;
  readonly hub: string;
  readonly apiKey?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Replicated {
  readonly ms: number;
  readonly arrived: number;
}

/** What our own edge can be asked for besides. */
export interface EdgeOperations extends ReplicatorOperations {
  /** One write after the other. Milliseconds of each. */
  write: { request: { readonly from: number; readonly count: number }; answer: readonly number[] };
  /** The same number of transactions with one insert each, by the driver alone. */
  bare: { request: { readonly directory: string; readonly count: number }; answer: readonly number[] };
  /** The same in a thread of its own, with a message each way. */
  bareInThread: EdgeOperations["bare"];
  /** Writes so many and syncs. Milliseconds of the sync, the pull behind it included. */
  batch: { request: { readonly from: number; readonly count: number }; answer: number };
  /** Drains what waits in the background, and watches this process's event loop. */
  drain: { request: { readonly count: number }; answer: { readonly ms: number; readonly loopP99Ms: number } };
  /** Milliseconds of one decision of a conflict, its record and the write that follows included. */
  conflicts: { request: { readonly directory: string; readonly count: number }; answer: number };
  start: { request: null; answer: null };
  stop: { request: null; answer: null };
  /** Writes at intervals. Times of the commits, in milliseconds since 1970. */
  commit: { request: LagRequest; answer: readonly number[] };
  /** When each of them could be read here. */
  see: { request: LagRequest & { readonly timeoutMs: number }; answer: readonly number[] };
}

export interface LagRequest {
  readonly prefix: string;
  readonly count: number;
  readonly intervalMs: number;
}
