import type { ConnectOptions } from "../../../src/index.ts";

/** What a node is started with, as JSON in its environment. */
export interface TwinNodeSettings {
  readonly nodeId: string;
  /** URL of the module with `MemorySynchronizer`. */
  readonly module: string;
  readonly options: ConnectOptions;
  readonly logFile: string;
}

export type TwinNodeMessage =
  | { readonly kind: "ready" }
  /** What replication is doing in this node. */
  | { readonly kind: "state"; readonly state: string }
  | { readonly kind: "closed" };

/** Impatient, since faults last some seconds. All processes have the same, but for the archive. */
export function twinOptions(
  { nodeId, primaryUrl, replicaUrl }: { nodeId: string; primaryUrl: string; replicaUrl: string },
  archive: "off" | "expired" = "off",
): ConnectOptions {
  return {
    nodeId,
    postgresUrl: primaryUrl,
    redisUrl: "none",
    indexes: { text: "simple" },
    postgresConnectionsMin: 0,
    callTimeoutMs: 8_000,
    inDoubtTimeoutMs: 8_000,
    publishDeadlineMs: 2_000,
    syncIntervalMs: 500,
    historyVersionsMax: 50,
    tombstoneRetentionMs: 2_000,
    replica: {
      enabled: true,
      postgresUrl: replicaUrl,
      archive,
      batchSize: 20,
      windowMax: 200,
      retriesMax: 2,
      retryIntervalMs: 300,
      healthCheckIntervalMs: 500,
      reconnectBackoffMs: 100,
      readTimeoutMs: 300,
    },
  };
}
