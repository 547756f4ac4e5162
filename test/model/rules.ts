/**
 * The lines of the protocol that the model can break on purpose. Each breaks at least one promise; a model that does not
 * notice proves nothing.
 */
export const MUTATIONS = [
  "publish before the commit",
  "write without the row's lock",
  "guard by the version number instead of the transaction",
  "carry out a lone row without its guard",
  "take a lone row that missed for written",
  "look for the token row without ending the backend",
  "report the commit as failed when its answer is lost",
  "publish without comparing versions",
  "take every stale answer for applied",
  "answer before the failed store is queued",
  "mark inside the commit",
  "mark what was not queued",
  "queue an overdue transaction for one store alone",
  "forget a queueing that came during the backlog's publish",
  "call what is on its way drift",
  "publish whatever the epoch of the store",
  "leave the stores alone after a restore",
  "compare a store before it bears the new epoch",
  "call a deletion of what is unknown unchanged",
  "end what is unknown by the node's own settings",
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** Whether the protocol is broken in this way; with null it is as designed. */
export type IsBroken = (mutation: Mutation) => boolean;

export function broken(mutation: Mutation | null): IsBroken {
  return (candidate) => candidate === mutation;
}
