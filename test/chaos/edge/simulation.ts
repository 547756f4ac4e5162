import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConflictPolicy } from "../../../src/edge/index.ts";
import type { Hub } from "../../../src/hub/protocol/hub.ts";
import { Random } from "../../support/random.ts";
import { Edits } from "./edits.ts";
import { type FaultRates, NO_FAULTS, Recorder } from "./faulty-hub.ts";
import { judge } from "./oracle.ts";
import { SimulatedEdge } from "./simulated-edge.ts";

/** The hub of a simulation. */
export interface HubUnderTest {
  as(device: string): Hub;
  /** Keeps a copy; calling the result brings it back, as another epoch. Null: it cannot go back. */
  readonly snapshot: (() => () => void) | null;
  /** What is wrong in its stores, once all is quiet. */
  findings(): Promise<readonly string[]>;
}

export interface SimulationOptions {
  readonly seed: number;
  /** @default 150 */
  readonly steps?: number;
  /** @default 2 … 8, by the seed */
  readonly edges?: number;
  /** Makes the hub, which goes by this clock where it can. */
  readonly openHub: (now: () => number) => Promise<HubUnderTest>;
  /** Stands between each edge and the hub: the test of the oracle breaks something there. */
  readonly tamper?: (hub: Hub) => Hub;
}

export interface SimulationResult {
  readonly violations: readonly string[];
  readonly edges: number;
  readonly edits: number;
  readonly syncs: number;
  readonly kills: number;
  readonly late: number;
  readonly conflicts: number;
  readonly restores: number;
}

const POLICIES: readonly ConflictPolicy[] = ["last_write_wins", "local_wins", "remote_wins", "merge"];
const RATES: FaultRates = { dropped: 0.08, unanswered: 0.12, doubled: 0.1, late: 0.1, killed: 0.05 };
const HOUR_MS = 3_600_000;
const QUIET_ROUNDS_MAX = 40;

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
  readonly edits = new Edits();
  readonly edges: SimulatedEdge[] = [];
  readonly clock: { ms: number };
  /** Messages that had passed when the memory `raised` became local_only; null: it did not. */
  raisedAt: number | null = null;
  readonly failures: string[] = [];
  hub!: HubUnderTest;
  readonly #options: SimulationOptions;
  #folder = "";
  #count = { edits: 0, syncs: 0, late: 0, restores: 0 };
  #restore: (() => void) | null = null;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.clock = { ms: Date.now() };
  }

  async run(): Promise<SimulationResult> {
    const { edges = 2 + this.random.below(7), steps = 150, openHub, tamper = (hub) => hub } = this.#options;
    this.#folder = await mkdtemp(join(tmpdir(), "mnemosync-edges-"));
    this.hub = await openHub(() => this.clock.ms);
    for (let index = 0; index < edges; index++) {
      const edge = new SimulatedEdge({
        index,
        folder: this.#folder,
        policy: this.random.pick(POLICIES),
        clock: this.clock,
        random: this.random,
        recorder: this.recorder,
        connect: (device) => tamper(this.hub.as(device)),
      });
      await edge.open();
      edge.rates = RATES;
      this.edges.push(edge);
    }
    for (let step = 0; step < steps; step++) await this.#step(step, steps);
    await this.#comeToRest();
    const { violations, conflicts } = await judge(this);
    const kills = this.edges.reduce((sum, edge) => sum + edge.kills, 0);
    return { violations, edges, kills, conflicts, ...this.#count };
  }

  async close(): Promise<void> {
    for (const edge of this.edges) await edge.store.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #step(step: number, steps: number): Promise<void> {
    this.clock.ms += this.random.below(5_000);
    const edge = this.random.pick(this.edges);
    const dice = this.random.below(100);
    if (dice < 42) await this.#write(edge);
    else if (dice < 80) await this.#sync(edge, this.random.pick(["pushOnce", "pullOnce", "syncNow"] as const));
    else if (dice < 85) edge.isOnline = !edge.isOnline;
    else if (dice < 88) await edge.kill();
    else if (dice < 91) await this.#pauseOrResume(edge);
    else if (dice < 93) edge.skewMs = (this.random.below(7) - 3) * HOUR_MS;
    else if (dice < 98) this.#count.late += (await edge.deliverLate()) ? 1 : 0;
    else this.clock.ms += this.random.pick([HOUR_MS, 24 * HOUR_MS, 40 * 24 * HOUR_MS]);

    if (this.hub.snapshot === null || this.#options.seed % 2 === 0) return;
    if (step === Math.floor(steps / 3)) this.#restore = this.hub.snapshot();
    if (step === Math.floor(steps / 2) && this.#restore !== null) {
      this.#restore();
      this.#count.restores += 1;
    }
  }

  async #write(edge: SimulatedEdge): Promise<void> {
    const { index } = edge.setting;
    this.#count.edits += 1;
    const dice = this.random.below(100);
    if (dice < 5) return await this.#put(edge, `local-${index}`, "local_only", "secret");
    if (dice < 10) return await this.#put(edge, `redacted-${index}`, "redacted", "secret");
    if (dice < 14) return await this.#rateOthers(edge);
    if (dice < 24) return await this.#writeRaised(edge);
    const memoryId = `hot-${this.random.below(3)}`;
    const before = await edge.store.get(memoryId);
    if (dice < 32 && before !== null) {
      this.edits.delete(memoryId, before.content);
      await edge.store.delete(memoryId);
      return;
    }
    await this.#put(edge, memoryId, "full", "edit");
  }

  async #put(edge: SimulatedEdge, memoryId: string, privacy: "full" | "redacted" | "local_only", kind: string) {
    const before = await edge.store.get(memoryId);
    const content = this.edits.write(memoryId, before?.content ?? null, kind);
    const importance = this.random.below(11) / 10;
    await edge.store.put(memoryId, { content, memoryType: "note", importance, privacy, metadata: { by: content } });
  }

  /** Changes what may be seen of another edge's redacted memory. */
  async #rateOthers({ store }: SimulatedEdge): Promise<void> {
    const memoryId = `redacted-${this.random.below(this.edges.length)}`;
    if ((await store.get(memoryId)) === null) return;
    await store.patch(memoryId, { importance: this.random.below(11) / 10 });
  }

  /** A memory that all write, until the first edge makes it local_only. */
  async #writeRaised(edge: SimulatedEdge): Promise<void> {
    const isOwner = edge === this.edges[0];
    const before = await edge.store.get("raised");
    if (isOwner && this.raisedAt !== null) return await this.#put(edge, "raised", "local_only", "secret");
    if (!isOwner && (before === null || before.withheld)) return;
    if (!isOwner || before === null || this.random.below(3) > 0) return await this.#put(edge, "raised", "full", "edit");
    await this.#put(edge, "raised", "local_only", "secret");
    this.raisedAt = this.recorder.messages.length;
  }

  async #sync(edge: SimulatedEdge, step: "pushOnce" | "pullOnce" | "syncNow"): Promise<void> {
    if (edge.isPaused) return;
    this.#count.syncs += 1;
    const code = await edge.sync(step);
    if (code !== null && code !== "killed" && code !== "SYNC_CONNECTION") {
      this.failures.push(`edge ${edge.setting.index}: ${step} failed with ${code}`);
    }
  }

  async #pauseOrResume(edge: SimulatedEdge): Promise<void> {
    edge.isPaused = !edge.isPaused;
    await (edge.isPaused ? edge.store.pause() : edge.store.resume());
  }

  /** Faults end. What was given up arrives first, or never: half of each. */
  async #comeToRest(): Promise<void> {
    for (const edge of this.edges) {
      edge.rates = NO_FAULTS;
      edge.isOnline = true;
      if (edge.isPaused) await this.#pauseOrResume(edge);
      while (this.random.below(2) === 0 && (await edge.deliverLate())) this.#count.late += 1;
    }
    let quietRounds = 0;
    for (let round = 0; round < QUIET_ROUNDS_MAX && quietRounds < 2; round++) {
      this.clock.ms += HOUR_MS; // Every backoff is over.
      const before = this.recorder.messages.filter(({ kind }) => kind === "push").length;
      for (const edge of this.edges) {
        await edge.store.retry();
        await this.#sync(edge, "syncNow");
      }
      const after = this.recorder.messages.filter(({ kind }) => kind === "push").length;
      quietRounds = after === before ? quietRounds + 1 : 0;
    }
    if (quietRounds < 2) this.failures.push("edges and hub do not come to rest");
  }
}
