export interface RedisProjectionOptions {
  /** Prefix of every key, without a colon at its end. @default "mnemosync" */
  prefix?: string;
  /**
   * Whether hashes hold the vectors too. Without them Redis is smaller, and reads take the vector from the ledger.
   * @default true
   */
  storeEmbedding?: boolean;
  /**
   * Milliseconds that the version of a deleted memory is kept, to fend off a late publish of an older one. Longer than the
   * slowest sweep and than any pause of a writer. @default 86_400_000 (one day)
   */
  tombstoneTtlMs?: number;
  /** Names the key with which this node proves that Redis accepts writes. */
  nodeId: string;
  /** Milliseconds that one script call may take, even when its caller has a longer deadline. @default 10_000 */
  callTimeoutMs?: number;
  /** Whether the projection may cut a silent link of the client, so that the client reconnects. @default false */
  ownsClient?: boolean;
}

/** Defaults of the options; the settings of a configuration (`settings.ts`) take theirs from here. */
export const REDIS_DEFAULTS = {
  prefix: "mnemosync",
  storeEmbedding: true,
  tombstoneTtlMs: 86_400_000,
  callTimeoutMs: 10_000,
  ownsClient: false,
} as const satisfies Omit<Required<RedisProjectionOptions>, "nodeId">;
