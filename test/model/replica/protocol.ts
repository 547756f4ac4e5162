import { hash, type Model, type Step } from "../explore.ts";
import { outsideSteps } from "./outside.ts";
import { readingSteps } from "./reading.ts";
import { replicatorSteps } from "./replicating.ts";
import { broken, type IsBroken, type Mutation } from "./rules.ts";
import { type Key, leaves, type Scenario, startOf, type World } from "./world.ts";

/**
 * Replication as an explicit model: a primary with its feed, a replica, replicators of which one leads, merged reads, and the
 * faults that the budget of a scenario allows, in every order. `mutation` breaks one line of it on purpose.
 *
 * The promises, by the numbers with which violations begin:
 *
 * 1. What stands before the replica's place is there.
 * 2. A version never goes back within an epoch.
 * 3. A merged read never shows a memory that had ended before it began.
 * 4. Content that must not leave is not in the replica, once it has caught up.
 * 5. The replica comes to agree with the primary by itself.
 * 6. What the primary lost is kept.
 */
export function replication(scenario: Scenario, mutation: Mutation | null = null): Model<World> {
  const isBroken = broken(mutation);
  const comesToRest = rest(scenario, isBroken);
  return {
    initial: startOf(scenario),
    steps: (world) => (world.broken === null ? stepsOf(world, scenario, isBroken) : []),
    violation: (world) => world.broken ?? missing(world) ?? comesToRest(world),
  };
}

/**
 * `afterwards` with a memory: what becomes of a state hangs on the two databases alone, not on who was about to do what, and nine
 * of ten states share them with another one.
 */
function rest(scenario: Scenario, isBroken: IsBroken): (world: World) => string | null {
  const good = new Set<string>();
  return (world) => {
    const databases = hash(JSON.stringify([world.primary, world.replica, world.versionOf]));
    if (good.has(databases)) return null;
    const violation = afterwards(world, scenario, isBroken);
    if (violation === null) good.add(databases);
    return violation;
  };
}

function* stepsOf(world: World, scenario: Scenario, isBroken: IsBroken): Iterable<Step<World>> {
  const emit = emitter(world);
  yield* outsideSteps(world, scenario, isBroken, emit);
  for (const index of world.replicators.keys()) yield* replicatorSteps(world, index, scenario.keys, isBroken, emit);
  yield* readingSteps(world, scenario.keys, isBroken, emit);
}

function emitter(world: World) {
  const text = JSON.stringify(world);
  return (name: string, change: (next: World) => void): Step<World> => {
    const next = JSON.parse(text) as World;
    change(next);
    return { name, next };
  };
}

/** Promise 1, in a replica that says that it is whole up to its place. */
function missing({ primary, replica }: World): string | null {
  if (replica.epoch === null || replica.epoch !== primary.epoch) return null;
  const told = primary.feed.find((version) => {
    if (version.place > replica.cursor || !leaves(version)) return false;
    const isWithheld = primary.feed.some(
      ({ key, kind, version: later }) => key === version.key && kind === "local" && later > version.version,
    );
    return !isWithheld && (replica.rows[version.key]?.version ?? 0) < version.version;
  });
  return told === undefined
    ? null
    : `1: version ${told.version} of ${told.key} stands before the place and is not there`;
}

/** Lets the replicators die and one of them go on, until nothing is left to do: promises 4 to 6. */
function afterwards(world: World, { keys }: Scenario, isBroken: IsBroken): string | null {
  let state = JSON.parse(JSON.stringify(world)) as World;
  const before = heldContent(state, keys);
  state.replicators = state.replicators.map(() => ({ at: "idle" as const }));
  state.budget.crash = 0;
  for (let steps = 0; ; steps++) {
    if (steps > 200) return "5: replication does not come to an end";
    const [step] = replicatorSteps(state, 0, keys, isBroken, emitter(state));
    if (step === undefined) break;
    state = step.next;
    if (state.broken !== null) return state.broken;
  }
  return disagreement(state, keys) ?? lost(state, keys, before);
}

function disagreement({ primary, replica }: World, keys: readonly Key[]): string | null {
  for (const key of keys) {
    const found = primary.current[key];
    const row = replica.rows[key];
    const content = replica.content[key];
    const isGone = found?.kind === "local" || found?.kind === "erase";
    if (isGone && content.length + replica.diverged[key].length > 0)
      return `4: content of ${key}, which must not leave, is there`;
    if (found === null || !leaves(found)) {
      if (row?.isAlive) return `5: ${key} has ended, and is alive in the replica`;
    } else if (row?.version !== found.version || row.tx !== found.tx || !row.isAlive || !content.includes(found.tx)) {
      return `5: ${key} is at version ${found.version} (${found.tx}), and the replica has ${JSON.stringify(row)}`;
    }
  }
  return replica.epoch === primary.epoch ? null : "5: the replica never takes part again";
}

function heldContent({ replica }: World, keys: readonly Key[]): [Key, number][] {
  return keys.flatMap((key) => replica.content[key].map((tx): [Key, number] => [key, tx]));
}

/** Content goes only where a later version withholds it. */
function lost({ replica, primary }: World, keys: readonly Key[], held: readonly [Key, number][]): string | null {
  for (const [key, tx] of held) {
    if (!keys.includes(key) || replica.content[key].includes(tx) || replica.diverged[key].includes(tx)) continue;
    const mayGo = primary.feed.some(
      (version) => version.key === key && (version.kind === "local" || version.kind === "erase"),
    );
    if (!mayGo) return `6: content ${tx} of ${key} is neither there nor kept as diverged`;
  }
  return null;
}
