/**
 * The lines of the replication that the model can break on purpose. Each breaks at least one promise; a model that does not
 * notice proves nothing.
 */
export const MUTATIONS = [
  // The replicator.
  "keep the place before the data",
  "keep the place whatever the replica's place is",
  "let an older version replace a newer one",
  "let a former leader write on",
  "go on from the primary's hint",
  "follow another epoch without a comparison",
  "follow on behind pruned tombstones",
  "ask for pruned tombstones before the page is read",
  "keep ended rows above the floor",
  "leave out what was emptied in a lost history",
  "complete the comparison while a memory is left out",
  "let go of diverged versions",
  "prune tombstones that the replica was not told of, and never compare",
  // Privacy and erasure.
  "send a version that was withheld since",
  "keep the history of a withdrawn memory",
  "keep the diverged versions of an erased memory",
  "send local_only memories",
  // Merged reads.
  "show what the primary does not know without a look at its standing",
  "ask for the primary's standing before the look-up",
  "take part in another epoch",
  "take part while the comparison is under way",
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** Whether the protocol is broken in this way; with null it is as designed. */
export type IsBroken = (mutation: Mutation) => boolean;

export function broken(mutation: Mutation | null): IsBroken {
  return (candidate) => candidate === mutation;
}
