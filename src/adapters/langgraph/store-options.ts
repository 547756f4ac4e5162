import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { MemorySynchronizer } from "../../index.ts";

export interface StoreIndexOptions {
  /** Makes the vectors. @default the embedder of the synchronizer */
  readonly embeddings?: EmbeddingsInterface | undefined;
  /**
   * Paths of the fields whose texts make an item's vector, together: `title`, `user.name`, `chapters[*].content`, `authors[0]`,
   * `tags[-1]`; `$` is the whole value.
   * @default ["$"]
   */
  readonly fields?: readonly string[] | undefined;
}

export interface StoreTtlOptions {
  /** Milliseconds after a put at which an item expires, where the put says nothing else. @default never */
  readonly defaultMs?: number | undefined;
  /**
   * Whether a read begins the time of an item anew, once half of it is over: that costs a write, and needs `defaultMs`.
   * @default false
   */
  readonly refreshOnRead?: boolean | undefined;
}

export interface MnemosyncStoreOptions {
  /** The store does not close it. */
  readonly sync: MemorySynchronizer;
  /** The mnemosync namespace (tenant) in which all items lie; nothing else should write there. @default "langgraph" */
  readonly namespace?: string | undefined;
  /** The type of the items' memories. @default "semantic" */
  readonly memoryType?: string | undefined;
  /** How items are found by a query. False: by filter only. @default the synchronizer's embedder, on the whole value */
  readonly index?: StoreIndexOptions | false | undefined;
  readonly ttl?: StoreTtlOptions | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined;
}
