/**
 * What replication is doing, of this node:
 *
 *   starting ──► filling ──► following ◄──► paused
 *                   ▲            │
 *                   │            ├──► comparing   the primary was put back, or forgot endings
 *                   │            ├──► unavailable the replica or the primary is away
 *   standby ◄───────┴────────────┴──► refused     an operator must look
 *
 * - `standby`: another node replicates.
 * - `filling`: the replica has never reached the end of the feed.
 * - `refused`: it cannot go on by itself: a wrong database, or too many memories are refused.
 */
export const REPLICATION_STATES = [
  "starting",
  "standby",
  "filling",
  "following",
  "comparing",
  "paused",
  "unavailable",
  "refused",
] as const;
export type ReplicationState = (typeof REPLICATION_STATES)[number];
