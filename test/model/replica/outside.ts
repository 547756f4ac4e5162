import type { Step } from "../explore.ts";
import type { IsBroken } from "./rules.ts";
import type { Budget, Key, Kind, Scenario, World } from "./world.ts";

type Emit = (name: string, change: (world: World) => void) => Step<World>;

const WRITES: readonly (readonly [keyof Budget, Kind])[] = [
  ["write", "put"],
  ["local", "local"],
  ["delete", "delete"],
  ["erase", "erase"],
];

/** What happens to the two databases: writes, pruning, backups and restores. */
export function* outsideSteps(world: World, { keys }: Scenario, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  for (const key of keys) {
    for (const [budget, kind] of WRITES) {
      if (world.budget[budget] === 0 || !isPossible(world, key, kind)) continue;
      yield emit(`${kind} ${key}`, (next) => {
        next.budget[budget] -= 1;
        write(next, key, kind);
      });
    }
    if (world.budget.prune > 0 && mayPrune(world, key, isBroken)) {
      yield emit(`the tombstone of ${key} is pruned`, (next) => {
        next.budget.prune -= 1;
        prune(next, key);
      });
    }
  }
  if (world.budget.hintLost > 0 && world.primary.hint !== null) {
    yield emit("the hint is dropped", (next) => {
      next.budget.hintLost -= 1;
      next.primary.hint = null;
    });
  }
  yield* restoreSteps(world, emit);
}

function* restoreSteps(world: World, emit: Emit): Iterable<Step<World>> {
  if (world.budget.primaryRestore > 0) {
    if (world.primaryBackup === null) {
      yield emit("the primary is backed up", (next) => {
        next.primaryBackup = JSON.parse(JSON.stringify(next.primary)) as World["primary"];
      });
    } else {
      yield emit("the primary is put back", (next) => {
        next.budget.primaryRestore -= 1;
        next.lastEpoch += 1;
        next.primary = { ...(next.primaryBackup as World["primary"]), epoch: next.lastEpoch };
      });
    }
  }
  if (world.budget.replicaRestore === 0) return;
  if (world.replicaBackup === null) {
    yield emit("the replica is backed up", (next) => {
      next.replicaBackup = JSON.parse(JSON.stringify(next.replica)) as World["replica"];
    });
  } else {
    yield emit("the replica is put back", (next) => {
      next.budget.replicaRestore -= 1;
      next.replica = next.replicaBackup as World["replica"];
      next.replicaBackup = null;
    });
  }
}

function isPossible({ primary }: World, key: Key, kind: Kind): boolean {
  const current = primary.current[key];
  if (current?.kind === "erase") return false;
  if (kind === "delete") return current !== null && current.kind !== "delete";
  if (kind === "erase") return current !== null;
  return true;
}

function write(world: World, key: Key, kind: Kind): void {
  const { primary } = world;
  const before = primary.current[key];
  world.lastTx += 1;
  primary.place += 1;
  const version = {
    key,
    version: (before?.version ?? primary.floor) + 1,
    tx: world.lastTx,
    kind,
    place: primary.place,
  };
  world.versionOf.push(version.version);
  // An erasure leaves nothing but its tombstone.
  if (kind === "erase") primary.feed = primary.feed.filter((other) => other.key !== key);
  primary.feed.push(version);
  primary.current[key] = version;
}

function mayPrune({ primary }: World, key: Key, isBroken: IsBroken): boolean {
  const current = primary.current[key];
  if (current?.kind !== "delete") return false;
  if (primary.hint === null || isBroken("prune tombstones that the replica was not told of, and never compare"))
    return true;
  return primary.hint.epoch === primary.epoch && primary.hint.place >= current.place;
}

function prune({ primary }: World, key: Key): void {
  const current = primary.current[key];
  if (current === null) return;
  primary.floor = Math.max(primary.floor, current.version);
  primary.pruned = Math.max(primary.pruned, current.place);
  primary.feed = primary.feed.filter((version) => version.key !== key);
  primary.current[key] = null;
}
