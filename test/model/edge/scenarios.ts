import type { Mutation } from "./rules.ts";
import type { Scenario } from "./world.ts";

/** Small enough to be looked at whole in seconds. */
export const SCENARIOS = {
  "two edges": { scripts: [["a", "b"], ["c"]], budget: {} },
  "a lost message": { scripts: [["a"], ["c"]], budget: { lost: 1 } },
  "a late push": { scripts: [["a"], ["c"]], budget: { late: 1 } },
  "a doubled push": { scripts: [["a"], ["c"]], budget: { doubled: 1 } },
  "a kill": { scripts: [["a", "b"], []], budget: { kill: 1, lost: 1 } },
  "a held page": { scripts: [["a"], ["c"]], budget: { held: 1, kill: 1 } },
  refusals: { scripts: [["a", "b"], []], budget: { rejected: 1, again: 1, retry: 2, late: 1 } },
  "a withdrawal": { scripts: [["a", "local"], ["c"]], budget: { lost: 1 } },
  "a withdrawal, published again": { scripts: [["a", "local", "full d"], []], budget: { late: 1 } },
  "a push in two steps": { scripts: [["a", "local", "full d"], []], budget: { doubled: 1, apart: 1 } },
  "a push in two steps, of two edges": { scripts: [["a"], ["c"]], budget: { late: 1, apart: 1 } },
  "a restore": { scripts: [["a", "b"], []], budget: { restore: 1 } },
  "a restore and a withdrawal": { scripts: [["a", "local"], []], budget: { restore: 1, lost: 1 } },
  "a redacted memory": { scripts: [["a"], ["c"]], budget: {}, isRedacted: true },
} satisfies Record<string, Scenario>;

/** Larger ones: more edits, and faults that meet. */
export const DEEP_SCENARIOS = {
  "two edges, a lost message": { scripts: [["a", "b"], ["c"]], budget: { lost: 1 } },
  "two edges, a late push": { scripts: [["a", "b"], ["c"]], budget: { late: 1 } },
  "two edges, a doubled push": { scripts: [["a", "b"], ["c"]], budget: { doubled: 1 } },
  "two edges, a kill": { scripts: [["a", "b"], ["c"]], budget: { kill: 1 } },
  "two edges, refusals": { scripts: [["a", "b"], ["c"]], budget: { rejected: 1, again: 1 } },
  "two edges, a restore": { scripts: [["a"], ["c"]], budget: { restore: 1 } },
  "two edges, published again": { scripts: [["a", "local", "full d"], ["c"]], budget: {} },
} satisfies Record<string, Scenario>;

/** Too large to be looked at whole (more than 700,000 states): a defect shows in them after some thousands. */
const EDITS_AFTER_RESTORE: Scenario = { scripts: [["a", "b"], ["c"]], budget: { restore: 1 } };
const WITHDRAWAL_AND_RESTORE: Scenario = { scripts: [["a", "local"], ["c"]], budget: { restore: 1 } };

interface Shows {
  readonly in: Scenario;
  /** The number of the promise that breaks. */
  readonly promise: string;
}

const {
  "two edges": twoEdges,
  refusals,
  "a kill": kill,
  "a redacted memory": redacted,
  "a restore": restore,
} = SCENARIOS;
const again = SCENARIOS["a withdrawal, published again"];

/** Where a claim and its change are two transactions, the hub can die between them; where claims age, they are pruned. */
const APART: Scenario = { scripts: [["a"], ["c"]], budget: { broken: 1, doubled: 1 } };

/** The scenario in which each broken line of the protocol shows, and the promise that breaks. */
export const SHOWS: Record<Mutation, Shows> = {
  "coalesce an edit into a sent change": { in: twoEdges, promise: "2" },
  "forget at a kill that a change was sent": { in: kill, promise: "3" },
  "coalesce an edit into a change that was answered with retry": { in: refusals, promise: "3" },
  "decide a pulled change against a sent and unanswered edit": { in: twoEdges, promise: "1" },
  "drop a pulled change that waits for an answer": { in: twoEdges, promise: "3" },
  "apply a pulled change without comparing versions": { in: twoEdges, promise: "9" },
  "move the cursor before the page is applied": { in: SCENARIOS["a held page"], promise: "3" },
  "take the device's own change for another's": { in: refusals, promise: "7" },
  "count attempts while the hub is away": { in: refusals, promise: "8" },
  "call a change settled that was answered with retry": { in: refusals, promise: "3" },
  "drop the losing side of a conflict": { in: twoEdges, promise: "4" },
  "let a policy win over a withdrawal": { in: SCENARIOS["a withdrawal"], promise: "3" },
  "send the change of a memory that became local_only": { in: again, promise: "5" },
  "withdraw only what was acknowledged": { in: SCENARIOS["a withdrawal"], promise: "5" },
  "take a withheld content for an empty one": { in: redacted, promise: "6" },
  "forget acknowledged edits in a resync": { in: restore, promise: "2" },
  "coalesce an edit into an offered change": { in: restore, promise: "3" },
  "forget withdrawals in a resync": { in: SCENARIOS["a restore and a withdrawal"], promise: "5" },
  "take an answer of another epoch": { in: restore, promise: "3" },
  "prune claims by age": { in: APART, promise: "1" },
  "claim the key before the transaction that applies the change": { in: APART, promise: "3" },
  "claim the key after the transaction that applies the change": { in: APART, promise: "1" },
  "apply a key that was settled": { in: again, promise: "1" },
  "read the settled floor before the claims": { in: SCENARIOS["a push in two steps"], promise: "1" },
  "apply a put whatever its base": { in: twoEdges, promise: "4" },
  "apply a push of another epoch": { in: restore, promise: "1" },
  "keep the base of another epoch": { in: EDITS_AFTER_RESTORE, promise: "4" },
  "withdraw an unknown memory without a version": {
    in: WITHDRAWAL_AND_RESTORE,
    promise: "5",
  },
  "withdraw only from the base": { in: again, promise: "3" },
};
