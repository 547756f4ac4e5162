import type { Step } from "../explore.ts";
import type { IsBroken } from "./rules.ts";
import { type Key, leaves, type Replica, type Replicating, type Version, type World } from "./world.ts";

type Emit = (name: string, change: (world: World) => void) => Step<World>;

/** The next steps of one replicator. */
export function* replicatorSteps(
  world: World,
  index: number,
  keys: readonly Key[],
  isBroken: IsBroken,
  emit: Emit,
): Iterable<Step<World>> {
  const state = world.replicators[index] as Replicating;
  const set = (next: World, to: Replicating): void => {
    next.replicators[index] = to;
  };
  const name = `replicator ${index}`;
  if (state.at !== "idle" && world.budget.crash > 0) {
    yield emit(`${name} dies`, (next) => {
      next.budget.crash -= 1;
      set(next, { at: "idle" });
    });
  }
  switch (state.at) {
    case "idle":
      yield* idleSteps(world, index, keys, isBroken, emit, set);
      return;
    case "asked":
      yield emit(`${name} reads a page`, (next) => readPage(next, index, state.pruned));
      return;
    case "page":
      yield emit(`${name} asks whether tombstones were pruned`, (next) => {
        const { pruned } = next.primary;
        const seen = state.pruned ?? pruned;
        if (next.primary.epoch !== state.epoch) return set(next, { at: "idle" });
        if (missedPruned(next.replica, seen, state.from, isBroken)) {
          if (next.replica.writer === index) beginAnew(next);
          return set(next, { at: "idle" });
        }
        const left = keys.filter((key) => state.changes.some((change) => change.key === key));
        set(next, { ...state, at: "writing", left });
        if (isBroken("keep the place before the data")) keepPlace(next, index, state, isBroken);
        if (left.length > 0) return;
        keepPlace(next, index, state, isBroken);
        set(next, { at: "idle" });
      });
      return;
    case "writing":
      for (const key of state.left) {
        yield emit(`${name} writes ${key}`, (next) => {
          if (!mayWrite(next, index, isBroken)) return set(next, { at: "idle" });
          for (const change of state.changes) if (change.key === key) apply(next, change, state.later, isBroken);
          const left = state.left.filter((other) => other !== key);
          if (left.length > 0) return set(next, { ...state, left });
          keepPlace(next, index, state, isBroken);
          set(next, { at: "idle" });
        });
      }
      return;
    case "comparing":
      yield emit(`${name} settles the comparison of ${state.key}`, (next) => {
        set(next, { at: "idle" });
        if (mayWrite(next, index, isBroken)) settle(next, state, isBroken);
      });
  }
}

function* idleSteps(
  world: World,
  index: number,
  keys: readonly Key[],
  isBroken: IsBroken,
  emit: Emit,
  set: (next: World, to: Replicating) => void,
): Iterable<Step<World>> {
  const { replica, primary } = world;
  const name = `replicator ${index}`;
  if (replica.writer !== index) {
    yield emit(`${name} becomes the leader`, (next) => {
      next.replica.writer = index;
    });
    return;
  }
  const { hint } = primary;
  if (
    hint !== null &&
    replica.feedEpoch === primary.epoch &&
    (hint.epoch !== primary.epoch || hint.place < replica.cursor)
  ) {
    yield emit(`${name} moves the hint`, (next) => {
      next.primary.hint = { epoch: next.primary.epoch, place: next.replica.cursor };
    });
  }
  if (replica.feedEpoch !== primary.epoch) {
    yield emit(`${name} finds another epoch`, (next) => {
      if (isBroken("follow another epoch without a comparison")) {
        next.replica.feedEpoch = next.primary.epoch;
        next.replica.epoch = next.primary.epoch;
      } else beginAnew(next);
    });
    return;
  }
  const behind = isBroken("go on from the primary's hint") ? (hint?.place ?? 0) : replica.cursor;
  const from = Math.max(behind, replica.cursor);
  const rest = primary.feed.filter(({ place }) => place > from);
  const isOpen = replica.epoch === null && (replica.uncompared ?? []).length === 0;
  if (rest.length > 0 || isOpen) {
    if (isBroken("ask for pruned tombstones before the page is read")) {
      yield emit(`${name} asks whether tombstones were pruned, too early`, (next) => {
        set(next, { at: "asked", pruned: next.primary.pruned });
      });
    } else yield emit(`${name} reads a page`, (next) => readPage(next, index, null, from));
  } else if (missedPruned(replica, primary.pruned, replica.cursor, isBroken)) {
    yield emit(`${name} finds that tombstones were pruned`, (next) => beginAnew(next));
  }
  for (const key of replica.uncompared ?? []) {
    if (rest.length > 0 || !keys.includes(key)) continue;
    yield emit(`${name} looks ${key} up for the comparison`, (next) => {
      set(next, {
        at: "comparing",
        key,
        row: replica.rows[key],
        found: primary.current[key],
        floor: primary.floor,
        epoch: primary.epoch,
      });
    });
  }
}

function readPage(world: World, index: number, pruned: number | null, from = world.replica.cursor): void {
  const { primary, replica } = world;
  const rest = primary.feed.filter(({ place }) => place > from);
  const page = rest.slice(0, world.pageSize);
  world.replicators[index] = {
    at: "page",
    from: replica.cursor,
    to: page.at(-1)?.place ?? from,
    changes: page,
    later: rest,
    complete: rest.length <= world.pageSize,
    epoch: primary.epoch,
    pruned,
  };
}

/** Whether tombstones were pruned that the replica was not told of. One that began at the start since has nothing to be told. */
function missedPruned(replica: Replica, pruned: number, from: number, isBroken: IsBroken): boolean {
  if (isBroken("follow on behind pruned tombstones")) return false;
  if (isBroken("prune tombstones that the replica was not told of, and never compare")) return false;
  return pruned > from && pruned > replica.prunedAtStart;
}

/** Reads from the start again; then every row is compared with the primary. */
export function beginAnew({ replica, primary }: World): void {
  replica.feedEpoch = primary.epoch;
  replica.epoch = null;
  replica.cursor = 0;
  replica.uncompared = (Object.keys(replica.rows) as Key[]).filter((key) => replica.rows[key] !== null);
  replica.prunedAtStart = primary.pruned;
}

function mayWrite(world: World, index: number, isBroken: IsBroken): boolean {
  return world.replica.writer === index || isBroken("let a former leader write on");
}

function keepPlace(
  world: World,
  index: number,
  page: { from: number; to: number; complete: boolean; epoch: number },
  isBroken: IsBroken,
): void {
  const { replica } = world;
  if (!mayWrite(world, index, isBroken) || replica.feedEpoch !== page.epoch) return;
  const isThere = replica.cursor === page.from || replica.cursor === page.to;
  if (!isThere && !isBroken("keep the place whatever the replica's place is")) return;
  replica.cursor = Math.max(replica.cursor, page.to);
  if (page.complete && (replica.uncompared === null || replica.uncompared.length === 0)) replica.epoch = page.epoch;
  if (isBroken("complete the comparison while a memory is left out") && page.complete) replica.epoch = page.epoch;
}

/** Writes one change of one memory. @param later what the primary had behind the page's beginning when it was read. */
function apply(world: World, change: Version, later: readonly Version[], isBroken: IsBroken): void {
  const { replica } = world;
  const { key, version, tx, kind } = change;
  const row = replica.rows[key];
  const isWithheldSince = later.some((other) => other.key === key && other.version > version && other.kind === "local");
  const isWithheld = isWithheldSince && !isBroken("send a version that was withheld since");
  if (kind === "put" && !isWithheld) {
    if (isWithheldSince) world.broken = "4: content is sent that was withheld before it was read";
    if (!replica.emptied.includes(tx) && !replica.content[key].includes(tx)) replica.content[key].push(tx);
    moveRow(world, change, true, isBroken);
    return;
  }
  if (kind === "local" && isBroken("send local_only memories")) {
    replica.content[key].push(tx);
    moveRow(world, change, true, isBroken);
    return;
  }
  const isTaken = kind !== "delete";
  if (isTaken && !isBroken("keep the diverged versions of an erased memory")) replica.diverged[key] = [];
  // What the replica never had is not told to have ended: not even its id arrives.
  if (row === null) return;
  if (isTaken) {
    if (!isBroken("keep the history of a withdrawn memory")) {
      // Of versions up to this one: a replica that was put back may be told again of an ending that newer versions followed.
      const isEarlier = (other: number) => (world.versionOf[other] ?? 0) <= version;
      replica.emptied.push(...replica.content[key].filter(isEarlier), ...(kind === "put" ? [tx] : []));
      replica.content[key] = replica.content[key].filter((other) => !isEarlier(other));
    }
  }
  moveRow(world, change, false, isBroken);
}

function moveRow(world: World, { key, version, tx }: Version, isAlive: boolean, isBroken: IsBroken): void {
  const { replica } = world;
  const row = replica.rows[key];
  if (row !== null && row.version >= version && !isBroken("let an older version replace a newer one")) {
    // The same number, given out in another history: the one that the primary has counts.
    if (row.version > version || row.tx === tx) return;
    diverge(world, key, [row.tx], isBroken);
  }
  if (row !== null && row.version > version && replica.uncompared === null) world.broken = "2: a version went back";
  replica.rows[key] = { version, tx, isAlive };
}

function diverge({ replica }: World, key: Key, txs: readonly number[], isBroken: IsBroken): void {
  const moved = txs.filter((tx) => replica.content[key].includes(tx));
  replica.content[key] = replica.content[key].filter((tx) => !moved.includes(tx));
  if (!isBroken("let go of diverged versions")) replica.diverged[key].push(...moved);
}

/** What the comparison of a row with the primary comes to. */
function settle(world: World, looked: Extract<Replicating, { at: "comparing" }>, isBroken: IsBroken): void {
  const { replica } = world;
  const { key, row: before, found, epoch, floor } = looked;
  if (replica.feedEpoch !== epoch || replica.uncompared?.includes(key) !== true) return;
  const row = replica.rows[key];
  if (row?.version !== before?.version || row?.tx !== before?.tx) return;
  // An ended memory that the primary forgot has a version below its floor: a new one begins above that.
  const isForgotten = row?.isAlive === false && (floor >= row.version || isBroken("keep ended rows above the floor"));
  if (row !== null && found === null && !isForgotten) {
    diverge(world, key, replica.content[key], isBroken);
    replica.rows[key] = null;
  } else if (
    row !== null &&
    found !== null &&
    (row.version > found.version || (row.version === found.version && row.tx !== found.tx))
  ) {
    // The primary's version has not arrived, or went with a replica that was put back since: this is settled later.
    const isThere = replica.content[key].includes(found.tx) || replica.emptied.includes(found.tx);
    if (leaves(found) && !isThere) return;
    const own = world.primary.feed.filter((version) => version.key === key).map(({ tx }) => tx);
    diverge(
      world,
      key,
      replica.content[key].filter((tx) => !own.includes(tx)),
      isBroken,
    );
    // Content that was taken in a history that is gone is sent again.
    if (
      leaves(found) &&
      replica.emptied.includes(found.tx) &&
      !isBroken("leave out what was emptied in a lost history")
    ) {
      replica.emptied = replica.emptied.filter((tx) => tx !== found.tx);
      replica.content[key].push(found.tx);
    }
    const isKnown = leaves(found) && replica.content[key].includes(found.tx);
    replica.rows[key] = { version: found.version, tx: found.tx, isAlive: isKnown };
    if (found.kind === "erase" || found.kind === "local") {
      replica.content[key] = [];
      replica.diverged[key] = [];
    }
  }
  replica.uncompared = replica.uncompared.filter((other) => other !== key);
  if (replica.uncompared.length === 0) {
    replica.uncompared = null;
    replica.epoch = epoch;
  }
}
