export interface RedisProjectionOptions {
  /** Prefix of every key, without a colon at its end. @default "mnemosync" */
  prefix?: string;
  /**
   * Whether hashes hold the vectors too. Without them Redis is smaller, and reads take the vector from the ledger.
   * @default true
   */
  storeEmbedding?: boolean;
  /**
   * Milliseconds that the tombstone of a deleted memory is kept, to reject a late publish of an older version. Must be longer
   * than the slowest sweep and than any pause of a writer. @default 86_400_000 (one day)
   */
  tombstoneTtlMs?: number;
  /** Names the key with which this node proves that Redis accepts writes. */
  nodeId: string;
  /** Timeout of one script call in milliseconds; caps a caller's longer deadline. @default 10_000 */
  callTimeoutMs?: number;
  /** Whether the projection may close a silent connection of the client, so that the client reconnects. @default false */
  ownsClient?: boolean;
}

/** Defaults of the options. The settings (`settings.ts`) use the same values. */
export const REDIS_DEFAULTS = {
  prefix: "mnemosync",
  storeEmbedding: true,
  tombstoneTtlMs: 86_400_000,
  callTimeoutMs: 10_000,
  ownsClient: false,
} as const satisfies Omit<Required<RedisProjectionOptions>, "nodeId">;
