import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFLICT_POLICIES } from "../../../src/edge/index.ts";
import { Random } from "../../support/random.ts";
import { FAULTS, NO_FAULTS, Tally } from "./faults.ts";
import { judge } from "./oracle.ts";
import { Recorder } from "./recorder.ts";
import { Users } from "./users.ts";
import type { EdgeUnderTest, OpenSimulationWorld, SimulationWorld, SyncStep } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** @default 150 */
  readonly steps?: number;
  /** @default 2 … 8, by the seed */
  readonly edges?: number;
  readonly openWorld: OpenSimulationWorld;
}

export interface SimulationResult {
  readonly violations: readonly string[];
  readonly edges: number;
  readonly edits: number;
  readonly syncs: number;
  /** Of edges, and of the hub, by step. */
  readonly kills: Tally;
  readonly late: number;
  readonly conflicts: number;
  readonly restores: number;
  /** Keys or devices that were revoked, and admitted again. */
  readonly revoked: number;
  /** Changes that nobody corrected. */
  readonly deadLetters: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const QUIET_ROUNDS_MAX = 40;
const STEPS: readonly SyncStep[] = ["pushOnce", "pullOnce", "syncNow", "syncNow", "background"];

/** Users write on edges that sync through a faulty network; then faults end, all come to rest, and the oracle judges. */
export async function simulateEdges(options: SimulationOptions): Promise<SimulationResult> {
  const run = new Simulation(options);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

export class Simulation {
  readonly random: Random;
  readonly recorder = new Recorder();
  readonly edges: EdgeUnderTest[] = [];
  readonly users: Users;
  readonly failures: string[] = [];
  world!: SimulationWorld;
  readonly #options: SimulationOptions;
  #folder = "";
  #count = { syncs: 0, late: 0, restores: 0, revoked: 0 };
  #refused: EdgeUnderTest | null = null;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.users = new Users(this.edges, this.random, this.recorder);
  }

  async run(): Promise<SimulationResult> {
    const { edges = 2 + this.random.below(7), steps = 150, openWorld, seed } = this.#options;
    this.#folder = await mkdtemp(join(tmpdir(), "mnemosync-edges-"));
    this.world = await openWorld({ random: this.random, recorder: this.recorder });
    const settings = Array.from({ length: edges }, (_, index) => ({
      ...{ index, folder: this.#folder, policy: this.random.pick(CONFLICT_POLICIES), recorder: this.recorder },
      // Its own numbers: edges that sync at the same time must not take each other's.
      random: new Random(seed * 1_000 + index),
    }));
    this.edges.push(...(await Promise.all(settings.map((setting) => this.world.open(setting)))));
    for (const edge of this.edges) {
      edge.rates = FAULTS;
      if (edge.setting.index === 1 && seed % 4 > 1) edge.skewMs = 2 * HOUR_MS;
    }
    for (let step = 0; step < steps; step++) {
      await this.#step();
      await this.#schedule(step / steps, (step + 1) / steps);
    }
    await this.#comeToRest();
    const { violations, conflicts, deadLetters } = await judge(this);
    const kills = new Tally();
    for (const tally of [this.world.hub.kills, ...this.edges.map((edge) => edge.kills)]) kills.addAll(tally);
    return { violations, edges, edits: this.users.count, kills, conflicts, deadLetters, ...this.#count };
  }

  async close(): Promise<void> {
    for (const edge of this.edges) await edge.close();
    await this.world?.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #step(): Promise<void> {
    this.world.advance(this.random.below(5_000));
    const edge = this.random.pick(this.edges);
    const dice = this.random.below(100);
    if (dice < 40) await this.users.write(edge);
    else if (dice < 76) await this.#syncSome(edge);
    else if (dice < 80) edge.isOnline = !edge.isOnline;
    else if (dice < 82) await edge.kill("idle");
    else if (dice < 84) await this.users.writeAndDie(edge);
    else if (dice < 87) await this.#pauseOrResume(edge);
    else if (dice < 89) edge.skewMs = (this.random.below(7) - 3) * HOUR_MS;
    else if (dice < 93) this.#count.late += (await edge.deliverLate()) ? 1 : 0;
    else if (dice < 95) this.world.advance(this.random.pick([HOUR_MS, DAY_MS, 40 * DAY_MS]));
    else if (dice < 97) await this.users.decide(edge);
    else if (dice < 98) await this.users.correct(edge);
    else {
      this.users.writeInFlight(edge);
      await this.#sync(edge, "pushOnce");
      edge.editInFlight(null);
    }
  }

  /** What happens once in a run, at its time. @param from, to the shares of the run that the step was. */
  async #schedule(from: number, to: number): Promise<void> {
    const { seed } = this.#options;
    const isAt = (share: number) => from < share && share <= to;
    if (seed % 2 === 1) {
      if (isAt(0.33)) await this.world.hub.copy();
      if (isAt(0.55)) {
        await this.world.hub.goBack();
        this.#count.restores += 1;
      }
    }
    if (seed % 3 !== 0) return;
    if (isAt(0.2)) {
      this.#refused = this.random.pick(this.edges);
      await this.world.refuse(this.#refused);
    }
    if (isAt(0.45)) await this.#admit();
  }

  async #admit(): Promise<void> {
    const edge = this.#refused;
    this.#refused = null;
    if (edge === null) return;
    await this.world.admit(edge);
    this.#count.revoked += 1;
  }

  /** One edge, or where the world allows it some at the same time. */
  async #syncSome(edge: EdgeUnderTest): Promise<void> {
    const others = this.edges.filter((other) => other !== edge && this.random.below(3) === 0);
    const chosen = this.world.isConcurrent ? [edge, ...others] : [edge];
    const steps = chosen.map((one) => [one, this.random.pick(STEPS)] as const);
    await Promise.all(steps.map(([one, step]) => this.#sync(one, step)));
  }

  async #sync(edge: EdgeUnderTest, step: SyncStep): Promise<void> {
    if (edge.isPaused) return;
    this.#count.syncs += 1;
    const code = await edge.sync(step);
    const expected = [null, "killed", "SYNC_CONNECTION", ...(edge === this.#refused ? REFUSALS : [])];
    if (!expected.includes(code)) this.failures.push(`edge ${edge.setting.index}: ${step} failed with ${code}`);
  }

  async #pauseOrResume(edge: EdgeUnderTest): Promise<void> {
    edge.isPaused = !edge.isPaused;
    await (edge.isPaused ? edge.store.pause() : edge.store.resume());
  }

  /** Faults end. What was given up arrives first, or never: half of each. */
  async #comeToRest(): Promise<void> {
    await this.world.calm();
    await this.#admit();
    for (const edge of this.edges) {
      edge.rates = NO_FAULTS;
      edge.isOnline = true;
      if (edge.isPaused) await this.#pauseOrResume(edge);
      while (this.random.below(2) === 0 && (await edge.deliverLate())) this.#count.late += 1;
    }
    let quietRounds = 0;
    for (let round = 0; round < QUIET_ROUNDS_MAX && quietRounds < 2; round++) {
      this.world.advance(HOUR_MS); // Every backoff is over.
      const before = this.recorder.pushes;
      for (const edge of this.edges) {
        while (await this.users.decide(edge));
        await this.users.correct(edge);
        await this.#sync(edge, "syncNow");
      }
      quietRounds = this.recorder.pushes === before ? quietRounds + 1 : 0;
    }
    if (quietRounds < 2) this.failures.push("edges and hub do not come to rest");
  }
}

const REFUSALS = ["UNAUTHENTICATED", "FORBIDDEN", "DEVICE_REVOKED"];
