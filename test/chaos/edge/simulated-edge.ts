import { join } from "node:path";
import { type ConflictPolicy, EdgeStore } from "../../../src/edge/index.ts";
import { HubError } from "../../../src/hub/protocol/codes.ts";
import type { Hub } from "../../../src/hub/protocol/hub.ts";
import type { Random } from "../../support/random.ts";
import { type FaultRates, FaultyHub, NO_FAULTS, type Recorder } from "./faulty-hub.ts";

/** Longer than the lease on an edge's file, which a killed process leaves behind. */
const LEASE_OVER_MS = 16_000;

export interface EdgeSetting {
  readonly index: number;
  readonly folder: string;
  readonly policy: ConflictPolicy;
  readonly clock: { ms: number };
  readonly random: Random;
  readonly recorder: Recorder;
  readonly connect: (device: string) => Hub;
}

/** One device: its file, its clock, its way to the hub; it is killed and opened again. */
export class SimulatedEdge {
  readonly setting: EdgeSetting;
  skewMs = 0;
  kills = 0;
  isPaused = false;
  store!: EdgeStore;
  #way: FaultyHub | null = null;
  #late: (() => Promise<void>)[] = [];
  #rates: FaultRates = NO_FAULTS;
  #isOnline = true;
  #killed: { readonly promise: Promise<void>; readonly resolve: () => void } = signal();

  constructor(setting: EdgeSetting) {
    this.setting = setting;
  }

  async open(): Promise<void> {
    const { index, folder, policy, clock, random, recorder, connect } = this.setting;
    this.#killed = signal();
    const { resolve: onKill } = this.#killed;
    this.store = await EdgeStore.open(
      {
        path: join(folder, `edge-${index}.db`),
        conflictPolicy: policy,
        preserveOriginals: false,
        synchronous: "NORMAL",
        hub: (device) => {
          this.#way = new FaultyHub(index, device, connect(device), { random, recorder, onKill });
          this.#tell();
          return this.#way;
        },
      },
      { now: () => clock.ms + this.skewMs, random: () => random.next(), inProcess: true, check: false },
    );
  }

  /** One step of a sync, which ends in a kill where the way to the hub says so. @returns the code of a failure. */
  async sync(step: "pushOnce" | "pullOnce" | "syncNow"): Promise<string | null> {
    const killed = this.#killed.promise.then(() => "killed");
    const result = await Promise.race([killed, this.store[step]().then(() => null, codeOf)]);
    if (result === "killed") await this.kill();
    return result;
  }

  /** kill -9, and a new start after the lease of the old process is over. */
  async kill(): Promise<void> {
    this.kills += 1;
    await this.store.abandon();
    this.setting.clock.ms += LEASE_OVER_MS;
    await this.open();
  }

  set isOnline(isOnline: boolean) {
    this.#isOnline = isOnline;
    this.#tell();
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  set rates(rates: FaultRates) {
    this.#rates = rates;
    this.#tell();
  }

  /** Carries out one request that the edge gave up. @returns whether there was one. */
  async deliverLate(): Promise<boolean> {
    const [request] = this.#late.splice(this.setting.random.below(this.#late.length), 1);
    await request?.();
    return request !== undefined;
  }

  #tell(): void {
    if (this.#way === null) return;
    this.#way.isOnline = this.#isOnline;
    this.#way.rates = this.#rates;
    this.#late = this.#way.late;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof HubError) return error.code;
  throw error;
}

function signal() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
