import { join } from "node:path";
import { EdgeStore } from "../../../../src/edge/index.ts";
import { HubError, type HubErrorCode } from "../../../../src/hub/protocol/codes.ts";
import type { Hub } from "../../../../src/hub/protocol/hub.ts";
import { type FaultRates, NO_FAULTS, Tally } from "../faults.ts";
import type { EdgeSetting, EdgeUnderTest, EditInFlight, SyncStep } from "../world.ts";
import { FaultyHub, type Network } from "./faulty-hub.ts";

/** Longer than the lease on an edge's file, which a killed process leaves behind. */
const LEASE_OVER_MS = 16_000;

/** An edge in this process, by a clock of the simulation. A kill drops it without any write. */
export class SimulatedEdge implements EdgeUnderTest {
  readonly setting: EdgeSetting;
  readonly kills = new Tally();
  skewMs = 0;
  isPaused = false;
  store!: EdgeStore;
  readonly #clock: { ms: number };
  readonly #connect: (device: string) => Hub;
  readonly #network: Network;
  #killed = signal();

  private constructor(setting: EdgeSetting, clock: { ms: number }, connect: (device: string) => Hub) {
    this.setting = setting;
    this.#clock = clock;
    this.#connect = connect;
    this.#network = {
      ...{ isOnline: true, refusal: null, rates: NO_FAULTS, late: [], whilePushing: null },
      onKill: (step) => this.#killed.resolve(step),
    };
  }

  static async open(
    setting: EdgeSetting,
    clock: { ms: number },
    connect: (device: string) => Hub,
  ): Promise<SimulatedEdge> {
    const edge = new SimulatedEdge(setting, clock, connect);
    await edge.#open();
    return edge;
  }

  async #open(): Promise<void> {
    const { index, folder, policy, random, recorder } = this.setting;
    this.#killed = signal();
    this.store = await EdgeStore.open(
      {
        path: join(folder, `edge-${index}.db`),
        conflictPolicy: policy,
        preserveOriginals: false,
        synchronous: "NORMAL",
        hub: (device) =>
          new FaultyHub(device, this.#connect(device), { edge: index, random, recorder, network: this.#network }),
      },
      {
        now: () => this.#clock.ms + this.skewMs,
        random: () => random.next(),
        inProcess: true,
        rests: false,
        check: false,
      },
    );
  }

  async sync(step: SyncStep): Promise<string | null> {
    const name = step === "background" ? "syncNow" : step; // Loops have timers of their own, which no clock here moves.
    const killed = this.#killed.promise.then((at) => ({ killedAt: at }));
    const result = await Promise.race([killed, this.store[name]().then(() => null, codeOf)]);
    if (typeof result !== "object" || result === null) return result;
    await this.kill(result.killedAt);
    return "killed";
  }

  async kill(step: string): Promise<void> {
    this.kills.add(step);
    await this.store.abandon();
    this.#clock.ms += LEASE_OVER_MS;
    await this.#open();
  }

  /** A step of SQLite in this process cannot be cut: the kill comes right behind it. */
  async killDuring(work: () => Promise<unknown>): Promise<void> {
    await work();
    await this.kill("write");
  }

  editInFlight(edit: EditInFlight | null): void {
    this.#network.whilePushing = edit === null ? null : () => this.#edit(edit);
  }

  async #edit({ memoryId, memory, onBegin, onAcknowledged }: EditInFlight): Promise<void> {
    onBegin((await this.store.get(memoryId))?.content ?? null);
    await this.store.put(memoryId, memory);
    onAcknowledged();
  }

  set isOnline(isOnline: boolean) {
    this.#network.isOnline = isOnline;
  }

  get isOnline(): boolean {
    return this.#network.isOnline;
  }

  set refusal(refusal: HubErrorCode | null) {
    this.#network.refusal = refusal;
  }

  get refusal(): HubErrorCode | null {
    return this.#network.refusal;
  }

  set rates(rates: FaultRates) {
    this.#network.rates = rates;
  }

  get rates(): FaultRates {
    return this.#network.rates;
  }

  async deliverLate(): Promise<boolean> {
    const { late } = this.#network;
    const [request] = late.splice(this.setting.random.below(late.length), 1);
    await request?.();
    return request !== undefined;
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}

function codeOf(error: unknown): string {
  if (error instanceof HubError) return error.code;
  throw error;
}

function signal() {
  let resolve: (step: string) => void = () => undefined;
  const promise = new Promise<string>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
