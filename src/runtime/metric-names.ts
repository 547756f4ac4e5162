/** What every metric of ours begins with. Node's own (`nodejs_`, `process_`) keep the names that dashboards know. */
export const METRIC_PREFIX = "mnemosync_";

/** Calls that `sync_total` and `sync_duration_seconds` tell apart. */
export const OPERATIONS = ["sync_memory", "sync_batch", "delete", "rollback", "rollback_transaction"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Namespaces that `faiss_vectors` shows by name, those with the most vectors. The rest share one label. */
export const NAMESPACES_MAX = 50;

/** Stands for all namespaces beyond `NAMESPACES_MAX`. No namespace can be called so. */
export const OTHER_NAMESPACES = "(other)";
