import { join } from "node:path";
import type { EdgeStore } from "../../../../src/edge/index.ts";
import { type FaultRates, NO_FAULTS, Tally } from "../faults.ts";
import type { EdgeOperations, EdgeSetting, EdgeUnderTest, EditInFlight, SyncStep } from "../world.ts";
import { EdgeCallError, EdgeChild, KilledError } from "./child-calls.ts";
import type { EdgeProgram } from "./edge-program.ts";
import { OWN_STEPS } from "./messages.ts";
import type { ProxiedWay } from "./recording-proxy.ts";

/** Milliseconds for which loops run in the background. */
const BACKGROUND_MS = 400;
/** Milliseconds within which a kill comes that is aimed at no step. */
const ANYWHERE_MS = 25;
/** Both sides of the network are steps too: the proxy kills there. */
const WAY_STEPS = { push: ["push received", "push applied"], pull: ["pull received", "pull read"] } as const;
const ANYWHERE = "anywhere";

export interface ProcessEdgeParts {
  readonly program: EdgeProgram;
  readonly way: ProxiedWay;
  readonly apiKey: string;
  /** Milliseconds by which all edges are ahead. */
  readonly aheadMs: () => number;
}

/** An edge in a process of its own, which reaches the hub through the proxy. */
export class ProcessEdge implements EdgeUnderTest {
  readonly setting: EdgeSetting;
  readonly kills = new Tally();
  readonly store: EdgeOperations;
  isPaused = false;
  apiKey: string;
  readonly #parts: ProcessEdgeParts;
  #child!: EdgeChild;
  #skewMs = 0;
  #rates: FaultRates = NO_FAULTS;
  #edit: EditInFlight | null = null;

  private constructor(setting: EdgeSetting, parts: ProcessEdgeParts) {
    this.setting = setting;
    this.apiKey = parts.apiKey;
    this.#parts = parts;
    // Each method of the store is a call to the process.
    this.store = new Proxy({} as EdgeOperations, {
      get: (_target, name) =>
        name === "then"
          ? undefined
          : (...args: unknown[]) => this.#child.call(name as keyof EdgeStore & string, ...args),
    });
  }

  static async open(setting: EdgeSetting, parts: ProcessEdgeParts): Promise<ProcessEdge> {
    const edge = new ProcessEdge(setting, parts);
    await edge.restart();
    return edge;
  }

  /** Starts the process, with the key that the edge has now. */
  async restart(): Promise<void> {
    const { index, folder, policy } = this.setting;
    const { program, way } = this.#parts;
    const options = {
      path: join(folder, `edge-${index}.db`),
      ...{ hub: way.url, apiKey: this.apiKey, deviceName: `edge-${index}`, conflictPolicy: policy },
      ...{ retryBaseMs: 20, retryMaxMs: 1_000, pushIntervalMs: 100, pullIntervalMs: 100 },
    };
    const settings = { options, aheadMs: this.#aheadMs(), seesRequests: this.#seesRequests };
    this.#child = await EdgeChild.start(program, settings, (answer) => {
      if (answer.kind === "editBegun") this.#edit?.onBegin(answer.before);
      else this.#edit?.onAcknowledged();
    });
  }

  async sync(step: SyncStep): Promise<string | null> {
    const aim = this.#aim(step);
    const timer = aim === ANYWHERE ? setTimeout(() => void this.#child.kill(), this.#below(ANYWHERE_MS)) : null;
    this.#child.tell({ kind: "dieAt", step: aim });
    this.#parts.way.dieAt(aim, () => void this.#child.kill());
    try {
      if (step === "background") await this.#child.call("background", BACKGROUND_MS);
      else await this.#child.call(step);
      return null;
    } catch (error) {
      if (error instanceof KilledError) {
        await this.kill(`${aim}`);
        return "killed";
      }
      if (error instanceof EdgeCallError && error.error.name === "HubError") return error.error.code;
      throw error;
    } finally {
      if (timer !== null) clearTimeout(timer);
      this.#parts.way.dieAt(null, () => undefined);
      this.#child.tell({ kind: "dieAt", step: null });
    }
  }

  async kill(step: string): Promise<void> {
    this.kills.add(step);
    await this.#child.kill();
    await this.restart();
  }

  async killDuring(work: () => Promise<unknown>): Promise<void> {
    const working = work().catch((error: unknown) => {
      if (!(error instanceof KilledError)) throw error;
    });
    await new Promise((resolve) => setTimeout(resolve, this.#below(8)));
    await this.kill("write");
    await working;
  }

  editInFlight(edit: EditInFlight | null): void {
    if (edit !== null) this.#edit = edit; // What the process says of the last one may come late.
    const told = edit === null ? null : { memoryId: edit.memoryId, memory: edit.memory };
    this.#child.tell({ kind: "inFlight", edit: told });
  }

  /** The clock of the world moved. */
  tellClock(): void {
    this.#child.tell({ kind: "clock", aheadMs: this.#aheadMs() });
  }

  set skewMs(skewMs: number) {
    this.#skewMs = skewMs;
    this.tellClock();
  }

  get skewMs(): number {
    return this.#skewMs;
  }

  set rates(rates: FaultRates) {
    this.#rates = rates;
    this.#parts.way.rates = rates;
  }

  get rates(): FaultRates {
    return this.#rates;
  }

  set isOnline(isOnline: boolean) {
    this.#parts.way.isOnline = isOnline;
  }

  get isOnline(): boolean {
    return this.#parts.way.isOnline;
  }

  async deliverLate(): Promise<boolean> {
    return await this.#parts.way.deliverLate();
  }

  async close(): Promise<void> {
    await this.#child.kill();
  }

  /** Where this sync is to be killed; null: nowhere. */
  #aim(step: SyncStep): string | null {
    const { random } = this.setting;
    if (random.next() >= 2 * this.#rates.killed) return null;
    const way = step === "pushOnce" ? "push" : step === "pullOnce" ? "pull" : random.pick(["push", "pull"] as const);
    return random.pick([...(this.#seesRequests ? OWN_STEPS[way] : []), ...WAY_STEPS[way], ANYWHERE]);
  }

  /** Every other edge has its requests made by the worker of its file, where no step of this kind can be seen. */
  get #seesRequests(): boolean {
    return this.setting.index % 2 === 0;
  }

  #aheadMs(): number {
    return this.#parts.aheadMs() + this.#skewMs;
  }

  #below(bound: number): number {
    return this.setting.random.below(bound);
  }
}
