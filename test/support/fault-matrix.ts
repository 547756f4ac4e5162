import { afterAll, describe, expect, test } from "vitest";
import type { OnStoreDown } from "../../src/write/writer.ts";
import {
  type Attempt,
  expectConverged,
  expectTrueOutcomes,
  seedMemories,
  statusesOf,
  writeUnderFault,
} from "./fault-attempts.ts";
import type { FaultServers } from "./fault-servers.ts";
import { FaultWorld, type Settings } from "./fault-world.ts";

export const POINTS = [
  "before prepare",
  "during prepare",
  "between prepare and commit",
  "when COMMIT is sent and its reply lost",
  "between commit and publish",
  "during publish",
  "before the mark",
] as const;
export type Point = (typeof POINTS)[number];

/** How a store is hurt, and helped up again before the stores as a whole are healed. */
export interface Fault {
  readonly store: "Redis" | "Postgres" | "the FAISS host";
  /** `killed`, `frozen`, `in a black hole`, `reset`, or what the store says no with. */
  readonly name: string;
  begin(world: FaultWorld): void | Promise<void>;
  /** What `heal` of the world does not undo. */
  end?(world: FaultWorld): void | Promise<void>;
}

export const isCommitted = (point: Point): boolean => POINTS.indexOf(point) >= 4;

/** Arms a fault for the next write. At the fourth point COMMIT is sent and its reply never comes, whatever the fault. */
export function arm(world: FaultWorld, fault: Fault, point: Point): { begun(): boolean } {
  let begun = false;
  const begin = async (): Promise<void> => {
    begun = true;
    await fault.begin(world);
  };
  switch (point) {
    case "before prepare":
      world.atStep("starting", begin);
      break;
    case "during prepare":
      world.during("prepare", begin);
      break;
    case "between prepare and commit":
      world.atStep("prepared", begin);
      break;
    case "when COMMIT is sent and its reply lost":
      world.atStep("committing", () => loseReplyOfCommit(world, fault, begin));
      break;
    case "between commit and publish":
      world.atStep("committed", begin);
      break;
    case "during publish":
      world.atStep("committed", () => world.during("publish", begin));
      break;
    case "before the mark":
      world.atStep("published", begin);
      break;
  }
  return { begun: () => begun };
}

/** Nothing else is under way at that moment, so the next bytes to Postgres are COMMIT, and the next from it its reply. */
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
  /** Milliseconds after its begin at which the fault ends by itself; null: it stands until the writes are settled. */
  readonly endsAfterMs?: number | null;
  /** Judges the statuses of the writes, beyond their being true. */
  readonly expectStatuses: (statuses: string[], attempts: readonly Attempt[]) => void;
}

/**
 * The worlds of a file, one per way of treating stores that are away. A case that passes leaves its world whole, which
 * is proven at its end, and the next one uses it with memories of its own: that saves each its second of set-up.
 */
export class MatrixWorlds {
  readonly #servers: { readonly current: FaultServers };
  readonly #settings: Settings;
  readonly #worlds = new Map<OnStoreDown, FaultWorld>();
  #base = 0;

  /** @param settings - what differs from the settings of a `FaultWorld` */
  constructor(servers: { readonly current: FaultServers }, settings: Settings = {}) {
    this.#servers = servers;
    this.#settings = settings;
    afterAll(async () => {
      for (const world of this.#worlds.values()) await world.close();
    });
  }

  async with(onStoreDown: OnStoreDown, work: (world: FaultWorld, base: number) => Promise<void>): Promise<void> {
    let world = this.#worlds.get(onStoreDown);
    if (world === undefined) {
      world = await FaultWorld.open(this.#servers.current, { settings: { ...this.#settings, onStoreDown } });
      this.#worlds.set(onStoreDown, world);
    }
    this.#base += 100;
    try {
      await work(world, this.#base);
    } catch (error) {
      this.#worlds.delete(onStoreDown);
      await world.close().catch(() => undefined); // The first failure is the one to report.
      throw error;
    }
  }
}

/** One case of the matrix: seed, arm, write, end the fault, look, drain, look again. */
export async function runCase(worlds: MatrixWorlds, fault: Fault, point: Point, options: CaseOptions): Promise<void> {
  const { onStoreDown = "degrade", endsAfterMs = null, expectStatuses } = options;
  await worlds.with(onStoreDown, async (world, base) => {
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
    const armed = arm(world, timed, point);
    const attempts = await writeUnderFault(world, base);
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

/** The tests of one fault, one per point. */
export function describeFault(
  worlds: MatrixWorlds,
  fault: Fault,
  title: string,
  options: (point: Point) => CaseOptions,
  points: readonly Point[] = POINTS,
): void {
  describe(title, () => {
    for (const point of points) {
      test(`${fault.store} ${fault.name} ${point}: outcomes are true and the stores agree afterwards`, async () => {
        await runCase(worlds, fault, point, options(point));
      });
    }
  });
}
