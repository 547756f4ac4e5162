import { hasMissed } from "../../domain/change-source.ts";
import type { PrimaryFacts, PrimaryRow, ReplicaRow, ReplicaStanding } from "./sides.ts";

/**
 * Whether the replica takes part in an answer. Its standing must have been read with its rows, or before them, and the
 * primary's facts after them: a tombstone that is pruned in between then shows as a place that the replica has not reached. What was pruned
 * before it began at the start it never had, though no change may ever bring it to that place.
 */
export function fits(replica: ReplicaStanding, primary: Pick<PrimaryFacts, "epoch" | "tombstonesPruned">): boolean {
  if (replica.epoch === null || replica.epoch !== primary.epoch) return false;
  return !hasMissed(replica, primary.tombstonesPruned, replica.cursor);
}

/** Why a replica that does not fit takes no part. */
export const BEHIND =
  "its epoch does not fit, or it has not followed up to the newest tombstone that the primary pruned";

/**
 * Whether a row of a replica that fits is shown beside what the primary shows.
 *
 * | the primary has | shown |
 * |---|---|
 * | the memory, alive | never: the primary shows it by itself |
 * | the memory, alive, past its `expiresAt` | with the archive, at the same version |
 * | an ending by expiry | with the archive, where the replica has this ending, or the version right before it |
 * | any other ending | never |
 * | no row | what is alive at the replica; what expired there, with the archive |
 *
 * Without a row the memory was never there, was lost, or its tombstone was pruned. The replica fits, so it was told of each
 * pruned tombstone: a row of it that is alive was not deleted. Versions are compared since a replica that lags may hold
 * content that a later version withheld.
 */
export function isShownBy(row: ReplicaRow, primary: PrimaryRow | undefined, archive: boolean): boolean {
  if (primary === undefined) {
    if (row.endedBy === null) return !row.isExpired || archive;
    return row.endedBy === "expired" && archive;
  }
  if (!archive) return false;
  if (primary.endedBy === null) return primary.isExpired && row.endedBy === null && row.version === primary.version;
  if (primary.endedBy !== "expired") return false;
  if (row.endedBy === "expired") return row.version === primary.version;
  return row.endedBy === null && row.version === primary.version - 1;
}

/** Whether the replica shows a row when the primary is away: nothing says what was deleted since. */
export function isShownAlone(row: ReplicaRow, archive: boolean): boolean {
  if (row.endedBy === null) return !row.isExpired || archive;
  return row.endedBy === "expired" && archive;
}
