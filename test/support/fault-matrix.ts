import { afterAll, describe, expect, test } from "vitest";
import type { OnStoreDown } from "../../src/write/writer.ts";
import {
  type Attempt,
  expectConverged,
  expectTrueOutcomes,
  seedMemories,
  statusesOf,
  UNPREPARED_WRITES,
  writeUnderFault,
  writeUnprepared,
} from "./fault-attempts.ts";
import type { FaultServers } from "./fault-servers.ts";
import { FaultWorld, type Settings } from "./fault-world.ts";

const DECISION = "when COMMIT is sent and its reply lost";
const COMMITTED = ["between commit and publish", "during publish", "before the mark"] as const;
/** Around the question to every store whether it takes the write. */
export const ASKED_POINTS = ["before prepare", "during prepare", "between prepare and commit"] as const;
export const PREPARED_POINTS = [...ASKED_POINTS, DECISION] as const;
/** Of writes that no store is asked about before. */
export const UNPREPARED_POINTS = ["before the rows", "between rows and commit", DECISION, ...COMMITTED] as const;
/** All points of a write that every store is asked about before. */
const ALL_PREPARED = [...PREPARED_POINTS, ...COMMITTED] as const;
export type Point = (typeof PREPARED_POINTS)[number] | (typeof UNPREPARED_POINTS)[number];

/** How a store is hurt, and helped up again before the stores as a whole are healed. */
export interface Fault {
  readonly store: "Redis" | "Postgres" | "the FAISS host";
  /** `killed`, `frozen`, `in a black hole`, `reset`, or what the store says no with. */
  readonly name: string;
  begin(world: FaultWorld): void | Promise<void>;
  /** What `heal` of the world does not undo. */
  end?(world: FaultWorld): void | Promise<void>;
}

export const isCommitted = (point: Point): boolean => (COMMITTED as readonly Point[]).includes(point);

/**
 * Arms a fault for the next writes. At `DECISION` COMMIT is sent and its reply never comes, whatever the fault.
 * @param unprepared whether the writes are those of `writeUnprepared`: the fault begins once all of them are at the point.
 */
function arm(world: FaultWorld, fault: Fault, point: Point, unprepared: boolean): { begun(): boolean } {
  let begun = false;
  const all = unprepared ? UNPREPARED_WRITES.all : 1;
  const begin = async (): Promise<void> => {
    begun = true;
    await fault.begin(world);
  };
  switch (point) {
    case "before prepare":
    case "before the rows":
      world.atStep("starting", begin, all);
      break;
    case "during prepare":
      world.during("prepare", begin);
      break;
    case "between prepare and commit":
    case "between rows and commit":
      world.atStep("prepared", begin, unprepared ? UNPREPARED_WRITES.withRowsFirst : 1);
      break;
    case DECISION:
      world.atStep("committing", () => loseReplyOfCommit(world, fault, begin), all);
      break;
    case "between commit and publish":
      world.atStep("committed", begin, all);
      break;
    case "during publish":
      world.atStep("committed", () => world.during("publish", begin), all);
      break;
    case "before the mark":
      world.atStep("published", begin, all);
      break;
  }
  return { begun: () => begun };
}

/** Nothing else is under way at that moment, so the next bytes to Postgres have a COMMIT, and the next from it are its reply. */
async function loseReplyOfCommit(world: FaultWorld, fault: Fault, begin: () => Promise<void>): Promise<void> {
  const { postgresProxy } = world.servers;
  if (fault.store === "Postgres") {
    postgresProxy.when("toServer", null, () => {
      // -9 may come before COMMIT is carried out or after it; the others wait for the reply, and swallow it.
      if (fault.name === "killed") setImmediate(() => void begin());
      else postgresProxy.when("toClient", null, begin);
      if (fault.name !== "reset") postgresProxy.dropReplies();
    });
    return;
  }
  await begin();
  postgresProxy.when("toClient", null, () => postgresProxy.reset());
}

export interface CaseOptions {
  readonly onStoreDown?: OnStoreDown;
  /** Whether the writes are of one, two and 128 memories at once, which no store is asked about before. @default false */
  readonly unprepared?: boolean;
  /** Milliseconds after its begin at which the fault ends by itself; null: it stands until the writes are settled. */
  readonly endsAfterMs?: number | null;
  /** Judges the statuses of the writes, beyond their being true. */
  readonly expectStatuses: (statuses: string[], attempts: readonly Attempt[]) => void;
}

/** How the writes of a world go. */
export type WorldKind = Pick<CaseOptions, "onStoreDown" | "unprepared">;

/** Numbers of memories that a case may use. */
const CASE_NUMBERS = 1_000;

/**
 * The worlds of a file, one per way in which writes go. A case that passes leaves its world whole, which
 * is proven at its end, and the next one uses it with memories of its own: that saves each its second of set-up.
 */
export class MatrixWorlds {
  readonly #servers: { readonly current: FaultServers };
  readonly #settings: Settings;
  readonly #worlds = new Map<string, FaultWorld>();
  #turn = 0;

  /** @param settings - what differs from the settings of a `FaultWorld` */
  constructor(servers: { readonly current: FaultServers }, settings: Settings = {}) {
    this.#servers = servers;
    this.#settings = settings;
    afterAll(async () => {
      for (const world of this.#worlds.values()) await world.close();
    });
  }

  /** @param work is given the first of the numbers of its memories, and how many cases came before it. */
  async with(
    { onStoreDown = "degrade", unprepared = false }: WorldKind,
    work: (world: FaultWorld, base: number, turn: number) => Promise<void>,
  ): Promise<void> {
    const kind = `${onStoreDown} ${unprepared}`;
    let world = this.#worlds.get(kind);
    if (world === undefined) {
      const settings = { ...this.#settings, onStoreDown };
      world = await FaultWorld.open(this.#servers.current, { settings, unprepared });
      this.#worlds.set(kind, world);
    }
    const turn = this.#turn++;
    try {
      await work(world, (turn + 1) * CASE_NUMBERS, turn);
    } catch (error) {
      this.#worlds.delete(kind);
      await world.close().catch(() => undefined); // The first failure is the one to report.
      throw error;
    }
  }
}

/** One case of the matrix: seed, arm, write, end the fault, look, drain, look again. */
export async function runCase(worlds: MatrixWorlds, fault: Fault, point: Point, options: CaseOptions): Promise<void> {
  const { unprepared = false, endsAfterMs = null, expectStatuses } = options;
  await worlds.with(options, async (world, base, turn) => {
    await seedMemories(world, base);
    let healing: Promise<void> | null = null;
    const timed: Fault = {
      ...fault,
      begin: async (hurt) => {
        await fault.begin(hurt);
        if (endsAfterMs !== null) setTimeout(() => (healing = world.servers.heal()), endsAfterMs);
      },
    };
    await world.untilMarked();
    const armed = arm(world, timed, point, unprepared);
    const attempts = await (unprepared ? writeUnprepared(world, base, turn) : writeUnderFault(world, base));
    expect(armed.begun(), "the fault began").toBe(true);
    await healing;
    await fault.end?.(world);
    await world.heal();
    await expectTrueOutcomes(world, attempts);
    expectStatuses(statusesOf(attempts), attempts);
    await world.drain();
    await expectConverged(world);
  });
}

/** Writes go on without the store: each is committed, and none is refused. */
export function neverFails(statuses: string[]): void {
  for (const status of statuses) expect(["synced", "degraded"]).toContain(status);
}

/** With Postgres away: written or refused with a code, or told that it cannot be known. */
export function writtenOrRefused(statuses: string[]): void {
  const allowed = ["synced", "degraded", "STORE_UNAVAILABLE", "STORE_REFUSED", "COMMIT_OUTCOME_UNKNOWN"];
  for (const status of statuses) expect(allowed).toContain(status);
}

/** Under `reject` and while the store is away before the decision: refused with a code, or saved by a retry. */
export function refusedOrSynced(statuses: string[]): void {
  for (const status of statuses) expect(["synced", "STORE_UNAVAILABLE", "STORE_REFUSED"]).toContain(status);
}

/** The same cases for writes that no store is asked about before. */
export function unprepared(options: (point: Point) => CaseOptions): (point: Point) => CaseOptions {
  return (point) => ({ ...options(point), unprepared: true });
}

/** The tests of one fault, one per point. */
export function describeFault(
  worlds: MatrixWorlds,
  fault: Fault,
  title: string,
  options: (point: Point) => CaseOptions,
  points: readonly Point[] = ALL_PREPARED,
): void {
  describe(title, () => {
    for (const point of points) {
      test(`${fault.store} ${fault.name} ${point}: outcomes are true and the stores agree afterwards`, async () => {
        await runCase(worlds, fault, point, options(point));
      });
    }
  });
}
