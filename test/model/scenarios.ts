import type { Mutation } from "./rules.ts";
import type { Scenario } from "./world.ts";

const NONE = { crash: 0, lost: 0, refusal: 0, restore: 0, check: 0, slow: 0 };
/** One writer creates the memory, the other deletes it: each may come first. */
const PUT_AND_DELETE = [["a"], ["†"]];

/** Small enough to be looked at whole in seconds. */
export const SCENARIOS = {
  "two writers": { scripts: [["a", "b"], ["†"]], budget: NONE },
  "a crash or a refusal": { scripts: PUT_AND_DELETE, budget: { ...NONE, crash: 1, refusal: 1 } },
  "a lost answer": { scripts: PUT_AND_DELETE, budget: { ...NONE, lost: 1 } },
  "a check": { scripts: PUT_AND_DELETE, budget: { ...NONE, check: 1, slow: 1 } },
  "two lost answers": { scripts: PUT_AND_DELETE, budget: { ...NONE, lost: 2 } },
  "a restore": { scripts: [["a", "a"], ["c"]], budget: { ...NONE, restore: 1 } },
  "a replica that one node does not know": { scripts: [["a", "†"], ["†"]], budget: NONE, isReplicated: true },
} satisfies Record<string, Scenario>;

/** Larger ones, with faults that meet. */
export const DEEP_SCENARIOS = {
  "a crash, a lost answer and a check": { scripts: PUT_AND_DELETE, budget: { ...NONE, crash: 1, lost: 1, check: 1 } },
  "a lost answer and a slow writer": { scripts: [["a", "b"], ["†"]], budget: { ...NONE, lost: 1, slow: 1 } },
  "a restore and a lost answer": { scripts: [["a"], ["c"]], budget: { ...NONE, restore: 1, lost: 1 } },
  "a restore and a crash": { scripts: [["a"], ["c"]], budget: { ...NONE, restore: 1, crash: 1 } },
} satisfies Record<string, Scenario>;

/** The scenario in which each broken line of the protocol shows, and the number of the promise that breaks. */
export const SHOWS: Record<Mutation, { in: keyof typeof SCENARIOS | keyof typeof DEEP_SCENARIOS; promise: string }> = {
  "publish before the commit": { in: "two writers", promise: "1" },
  "write without the row's lock": { in: "two writers", promise: "5" },
  "guard by the version number instead of the transaction": { in: "a restore", promise: "3" },
  "carry out a lone row without its guard": { in: "two writers", promise: "5" },
  "take a lone row that missed for written": { in: "two writers", promise: "1" },
  "look for the token row without ending the backend": { in: "a lost answer", promise: "6" },
  "report the commit as failed when its answer is lost": { in: "a lost answer", promise: "6" },
  "publish without comparing versions": { in: "two writers", promise: "2" },
  "take every stale answer for applied": { in: "a restore", promise: "3" },
  "answer before the failed store is queued": { in: "a lost answer", promise: "7" },
  "mark inside the commit": { in: "a check", promise: "8" },
  "mark what was not queued": { in: "two lost answers", promise: "7" },
  "queue an overdue transaction for one store alone": { in: "a crash or a refusal", promise: "7" },
  "forget a queueing that came during the backlog's publish": {
    in: "a crash, a lost answer and a check",
    promise: "7",
  },
  "call what is on its way drift": { in: "a check", promise: "8" },
  "publish whatever the epoch of the store": { in: "a restore", promise: "7" },
  "leave the stores alone after a restore": { in: "a restore", promise: "7" },
  "compare a store before it bears the new epoch": { in: "a restore", promise: "7" },
  "call a deletion of what is unknown unchanged": { in: "a replica that one node does not know", promise: "9" },
  "end what is unknown by the node's own settings": { in: "a replica that one node does not know", promise: "9" },
};
