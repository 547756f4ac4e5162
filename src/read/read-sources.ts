/** What an answer can say of the primary: it answered, or the replica stood in for it. */
export const PRIMARY_SOURCES = ["ok", "unavailable"] as const;

/**
 * What an answer can say of the replica:
 * - `ok`: the answer has what the replica alone holds.
 * - `behind`: the replica may not know yet what the primary deleted, so the answer is the primary's alone.
 * - `unavailable`: the replica did not answer in time, or is left out since it failed lately.
 * - `off`: there is none, or this read does not ask it.
 */
export const REPLICA_SOURCES = ["ok", "behind", "unavailable", "off"] as const;

export type PrimarySource = (typeof PRIMARY_SOURCES)[number];
export type ReplicaSource = (typeof REPLICA_SOURCES)[number];

/** The sides that an answer stands on. */
export interface ReadSources {
  readonly primary: PrimarySource;
  readonly replica: ReplicaSource;
}

/** Told of the sides that an answer stands on, before the call resolves. Only where a replica is set up. */
export type OnSources = (sources: ReadSources) => void;
