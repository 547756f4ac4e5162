import type { ChangesOptions, ChangesPage } from "../../../../src/hub/protocol/changes.ts";
import { HubError, type HubErrorCode } from "../../../../src/hub/protocol/codes.ts";
import type { Hub } from "../../../../src/hub/protocol/hub.ts";
import type { HubIdentity } from "../../../../src/hub/protocol/identity.ts";
import type { PushAnswers, PushChanges } from "../../../../src/hub/protocol/push.ts";
import type { Random } from "../../../support/random.ts";
import type { FaultRates } from "../faults.ts";
import type { Recorder } from "../recorder.ts";

/** What the network of an edge does at the moment. The edge's owner changes it. */
export interface Network {
  isOnline: boolean;
  refusal: HubErrorCode | null;
  rates: FaultRates;
  /** Requests that the edge gave up, and that still arrive. */
  readonly late: (() => Promise<void>)[];
  /** Called once, while the next push is on its way. */
  whilePushing: (() => Promise<void>) | null;
  onKill: (step: string) => void;
}

/** The way from one edge to a hub in this process. */
export class FaultyHub implements Hub {
  readonly #edge: number;
  readonly #inner: Hub;
  readonly #device: string;
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #network: Network;

  constructor(
    device: string,
    inner: Hub,
    { edge, random, recorder, network }: { edge: number; random: Random; recorder: Recorder; network: Network },
  ) {
    this.#edge = edge;
    this.#inner = inner;
    this.#device = device;
    this.#random = random;
    this.#recorder = recorder;
    this.#network = network;
  }

  identify(signal: AbortSignal): Promise<HubIdentity> {
    return this.#call("identify", () => this.#inner.identify(signal));
  }

  async push(push: PushChanges, signal: AbortSignal): Promise<PushAnswers> {
    const text = JSON.stringify(push);
    this.#recorder.record(this.#edge, "push", text);
    const { whilePushing } = this.#network;
    this.#network.whilePushing = null;
    await whilePushing?.();
    return await this.#call("push", async () => {
      const sent = JSON.parse(text) as PushChanges;
      const answers = await this.#inner.push(sent, signal);
      this.#recorder.answered(this.#device, sent.changes, answers);
      return answers;
    });
  }

  changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage> {
    return this.#call("pull", async () => {
      const page = await this.#inner.changesAfter(cursor, options, signal);
      this.#recorder.record(this.#edge, "page", JSON.stringify(page));
      return page;
    });
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #call<Result>(step: string, carryOut: () => Promise<Result>): Promise<Result> {
    const { isOnline, refusal, rates, late } = this.#network;
    if (!isOnline || this.#comes(rates.dropped)) throw noAnswer();
    if (refusal !== null) throw new HubError(refusal, "the hub refuses the edge");
    if (this.#comes(rates.killed)) {
      const isApplied = this.#comes(0.5);
      if (isApplied) await carryOut();
      this.#network.onKill(`${step} ${isApplied ? "answered" : "sent"}`);
      return await new Promise<Result>(() => undefined); // Nothing of a killed process goes on.
    }
    if (this.#comes(rates.late)) {
      late.push(async () => void (await carryOut().catch(ignoreRefusal)));
      throw noAnswer();
    }
    const result = await carryOut();
    if (this.#comes(rates.unanswered)) throw noAnswer();
    if (!this.#comes(rates.doubled)) return result;
    const second = await carryOut();
    return this.#comes(0.5) ? result : second;
  }

  #comes(rate: number): boolean {
    return this.#random.next() < rate;
  }
}

function noAnswer(): HubError {
  return new HubError("SYNC_CONNECTION", "no answer came");
}

/** No caller waits for the answer of a late request, so a refusal as a whole is one. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof HubError)) throw error;
}
