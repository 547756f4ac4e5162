/**
 * The lines of the push protocol that the model can break on purpose. Each breaks at least one promise; a model that does
 * not notice proves nothing.
 */
export const MUTATIONS = [
  // The edge.
  "coalesce an edit into a sent change",
  "forget at a kill that a change was sent",
  "coalesce an edit into a change that was answered with retry",
  "decide a pulled change against a sent and unanswered edit",
  "drop a pulled change that waits for an answer",
  "apply a pulled change without comparing versions",
  "move the cursor before the page is applied",
  "take the device's own change for another's",
  "count attempts while the hub is away",
  "call a change settled that was answered with retry",
  "drop the losing side of a conflict",
  "let a policy win over a withdrawal",
  "send the change of a memory that became local_only",
  "withdraw only what was acknowledged",
  "take a withheld content for an empty one",
  "forget acknowledged edits in a resync",
  "coalesce an edit into an offered change",
  "forget withdrawals in a resync",
  "keep the base of another epoch",
  "take an answer of another epoch",
  // The hub.
  "prune claims by age",
  "claim the key before the transaction that applies the change",
  "claim the key after the transaction that applies the change",
  "apply a key that was settled",
  "read the settled floor before the claims",
  "apply a put whatever its base",
  "apply a push of another epoch",
  "withdraw only from the base",
  "withdraw an unknown memory without a version",
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** Whether the protocol is broken in this way; with null it is as designed. */
export type IsBroken = (mutation: Mutation) => boolean;

export function broken(mutation: Mutation | null): IsBroken {
  return (candidate) => candidate === mutation;
}
