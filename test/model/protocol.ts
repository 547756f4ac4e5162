import { backgroundSteps, noticeRestore } from "./background.ts";
import type { Model, Step } from "./explore.ts";
import { broken, type IsBroken, type Mutation } from "./rules.ts";
import { isSame, type Scenario, STORES, startOf, type World } from "./world.ts";
import { writerSteps } from "./writing.ts";

/**
 * The write protocol as an explicit model: writers, two projections, the backlog, a take-over, a checker, and the faults
 * that the budget of a scenario allows, in every order. `mutation` breaks one line of it on purpose.
 *
 * The promises, by the numbers with which violations begin:
 *
 * 1. A store shows only versions that were committed.
 * 2. A store never goes back to an older version.
 * 3. An answer is true: `applied` where the store holds that version or a later one, `unchanged` where the ledger does.
 * 4. An acknowledged write is never lost, unless the database itself was put back.
 * 5. No version number is given out twice.
 * 6. A write that was reported as failed never happens.
 * 7. Without a check, all stores come to agree with the ledger; after a restore, once it was noticed.
 * 8. The checker never calls drift what is on its way.
 * 9. Where there is a replica, a deletion leaves a tombstone, of a memory too that the ledger does not know.
 */
export function protocol(scenario: Scenario, mutation: Mutation | null = null): Model<World> {
  const isBroken = broken(mutation);
  return {
    initial: startOf(scenario),
    steps: (world) => (world.broken === null ? stepsOf(world, scenario, isBroken) : []),
    violation: (world) => world.broken ?? lostWrite(world) ?? disagreement(world, scenario, isBroken),
  };
}

function* stepsOf(world: World, scenario: Scenario, isBroken: IsBroken): Iterable<Step<World>> {
  const text = JSON.stringify(world);
  const emit = (name: string, change: (next: World) => void): Step<World> => {
    const next = JSON.parse(text) as World;
    change(next);
    return { name, next };
  };
  for (const index of world.writers.keys()) yield* writerSteps(world, index, scenario, isBroken, emit);
  yield* backgroundSteps(world, isBroken, emit);
}

/** Promises 4 and 6: what was acknowledged is in the ledger, what was refused is not. */
function lostWrite(world: World): string | null {
  const { chain } = world.ledger;
  if (world.refused.some((tx) => chain.some((version) => version.tx === tx))) {
    return "6: a write that was reported as failed is committed";
  }
  if (world.restored !== "no") return null; // A restore loses what came after its copy.
  const isLost = world.acknowledged.some((tx) => !chain.some((version) => version.tx === tx));
  return isLost ? "4: an acknowledged write is lost" : null;
}

/** Promise 7: once writers have ended and faults with them, all stores agree with the ledger, without a check. */
function disagreement(world: World, scenario: Scenario, isBroken: IsBroken): string | null {
  const hasEnded = world.writers.every(
    ({ at, done }, index) => at === "crashed" || (at === "idle" && done === scenario.scripts[index]?.length),
  );
  if (!hasEnded) return null;
  const settled = drain(world, isBroken);
  if (settled.broken !== null) return settled.broken;
  const differing = STORES.filter((store) => !isSame(settled.stores[store], settled.ledger.row));
  return differing.length === 0 ? null : `7: ${differing.join(" and ")} never agree with the ledger`;
}

/** Lets everything that is under way come to its end, without further faults and checks. */
function drain(world: World, isBroken: IsBroken): World {
  let current = copyOf(world);
  current.budget = { crash: 0, lost: 0, refusal: 0, restore: 0, check: 0, slow: 0 };
  current.suspect = null;
  current.late = []; // What arrives after all is the state's other future.
  if (current.restored === "unnoticed") {
    current.backends = current.backends.map(() => null);
    noticeRestore(current, isBroken);
  }
  for (let rounds = 0; rounds < 100; rounds++) {
    const emit = (name: string, change: (next: World) => void): Step<World> => {
      const next = copyOf(current);
      change(next);
      return { name, next };
    };
    const [step] = backgroundSteps(current, isBroken, emit);
    if (step === undefined) return current;
    current = step.next;
  }
  return current;
}

/** Far faster than `structuredClone` for states of this size. */
function copyOf(world: World): World {
  return JSON.parse(JSON.stringify(world)) as World;
}
