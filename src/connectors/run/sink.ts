/** A text that goes to another service: one version of one memory. */
export interface SentText {
  readonly name: string;
  readonly text: string;
}

/**
 * What became of a text that was given to the service. `Receipt` is what the sink keeps of it until it is delivered: JSON.
 */
export type Delivery<Receipt> =
  /** Sent: look after it by `settle`. Never delivered yet. */
  | { readonly outcome: "sent"; readonly receipt: Receipt }
  /** The service has a text of that name that is not known to be this one. Nothing was sent: `remove` the name, and send it then. */
  | { readonly outcome: "taken" }
  /** The service takes no texts now. Nothing was sent. */
  | { readonly outcome: "later"; readonly reason: string }
  /** The service has the same text under another name, and keeps one of two. Nothing was sent. */
  | { readonly outcome: "same"; readonly reason: string };

/** What became of a receipt. */
export type Settlement<Receipt> =
  | { readonly outcome: "delivered" }
  /** Look again, with this receipt. */
  | { readonly outcome: "open"; readonly receipt: Receipt }
  /** The service lost it, or never had it: send it again. */
  | { readonly outcome: "lost" }
  /**
   * The service cannot process it. What it has of it is being deleted: call `remove` until it is gone.
   * `sameAs`: it has the same text under this name, and keeps one of two.
   */
  | { readonly outcome: "failed"; readonly reason: string; readonly sameAs?: string | undefined };

/** Another service, as a connector writes to it. One writer per service at a time: the lease is the caller's. */
export interface Sink<Receipt> {
  /** Proves that the service answers and takes the key. @throws {ServiceError} */
  ping(signal: AbortSignal): Promise<void>;
  /** The name of a memory's version there. @param key `text`: 12 digits of another text of this version. */
  nameOf(key: {
    readonly namespace: string;
    readonly memoryId: string;
    readonly version: number;
    readonly text?: string | undefined;
  }): string;
  /** What is sent for a body. Null: it says nothing. @throws {ServiceError} permanent: the service cannot take it. */
  textOf(
    key: { readonly namespace: string; readonly memoryId: string; readonly version: number },
    body: string,
  ): string | null;
  /** Sends one text; never two of the same name at once. @throws {ServiceError} */
  deliver(text: SentText, signal: AbortSignal): Promise<Delivery<Receipt>>;
  /** Looks after texts that were sent, in the order of `receipts`. @throws {ServiceError} */
  settle(receipts: readonly Receipt[], signal: AbortSignal): Promise<Settlement<Receipt>[]>;
  /** Deletes what the service has under `names`. @returns names that are not gone yet: call it again. @throws {ServiceError} */
  remove(names: readonly string[], signal: AbortSignal): Promise<string[]>;
  /** Of `names`, those that the service has, in any state. Asked once at the start of each run. @throws {ServiceError} */
  present(names: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
}
