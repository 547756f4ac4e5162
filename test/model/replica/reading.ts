import type { Step } from "../explore.ts";
import type { IsBroken } from "./rules.ts";
import { type Key, leaves, type Standing, type World } from "./world.ts";

type Emit = (name: string, change: (world: World) => void) => Step<World>;

/** A merged read of a memory: the replica, the look-up in the primary, and the primary's standing, in this order. */
export function* readingSteps(
  world: World,
  keys: readonly Key[],
  isBroken: IsBroken,
  emit: Emit,
): Iterable<Step<World>> {
  const { reading, replica, primary } = world;
  switch (reading.at) {
    case "idle":
      if (world.budget.read === 0) return;
      for (const key of keys) {
        yield emit(`a read of ${key} asks the replica`, (next) => {
          next.budget.read -= 1;
          next.reading = {
            at: "replica",
            key,
            row: replica.rows[key],
            epoch: isBroken("take part while the comparison is under way") ? replica.feedEpoch : replica.epoch,
            cursor: replica.cursor,
            wasEnded: hasEnded(world, key),
            primaryEpoch: primary.epoch,
            early: isBroken("ask for the primary's standing before the look-up") ? standing(world) : null,
          };
        });
      }
      return;
    case "replica":
      yield emit(`the read looks ${reading.key} up in the primary`, (next) => {
        const { row } = reading;
        // The primary wins by key, whatever the times.
        const isKnown = primary.current[reading.key] !== null;
        next.reading = row === null || !row.isAlive || isKnown ? { at: "idle" } : { ...reading, at: "looked up", row };
      });
      return;
    case "looked up":
      yield emit("the read asks for the primary's standing", (next) => {
        next.reading = { at: "idle" };
        const { epoch, pruned } = reading.early ?? standing(world);
        const fits = epoch === reading.epoch || isBroken("take part in another epoch");
        const isShown =
          (fits && pruned <= reading.cursor) ||
          isBroken("show what the primary does not know without a look at its standing");
        const isGone = reading.wasEnded && hasEnded(world, reading.key) && reading.primaryEpoch === primary.epoch;
        if (isShown && isGone) next.broken = `3: a merged read shows ${reading.key}, which has ended`;
      });
  }
}

function standing({ primary: { epoch, pruned } }: World): Standing {
  return { epoch, pruned };
}

/** Whether the primary had the memory in its present history and ended it. */
function hasEnded({ primary, replica }: World, key: Key): boolean {
  const current = primary.current[key];
  return current === null ? replica.rows[key] !== null || primary.floor > 0 : !leaves(current);
}
