import type { ChangesOptions, ChangesPage } from "../../../src/hub/protocol/changes.ts";
import { HubError } from "../../../src/hub/protocol/codes.ts";
import type { Hub } from "../../../src/hub/protocol/hub.ts";
import type { HubIdentity } from "../../../src/hub/protocol/identity.ts";
import type { PushAnswers, PushChanges } from "../../../src/hub/protocol/push.ts";
import type { Random } from "../../support/random.ts";

/** How often each fault comes, 0 … 1 per call. */
export interface FaultRates {
  /** The request never arrives. */
  readonly dropped: number;
  /** It is carried out, and the answer never arrives. */
  readonly unanswered: number;
  /** It is carried out twice; the answer is that of either. */
  readonly doubled: number;
  /** The edge gives up, and the request arrives later, behind others. */
  readonly late: number;
  /** The process of the edge is killed before the request arrives, or before its answer does. */
  readonly killed: number;
}

export const NO_FAULTS: FaultRates = { dropped: 0, unanswered: 0, doubled: 0, late: 0, killed: 0 };

/** What passes between edges and hub, as a recording proxy sees it. */
export class Recorder {
  /** Bodies of pushes as the edges sent them, and pages as they got them. */
  readonly messages: { readonly edge: number; readonly kind: "push" | "page"; readonly text: string }[] = [];
  /** How often each key was applied, by history. */
  readonly #applied = new Map<string, number>();

  answered(device: string, push: PushChanges, { epoch, answers }: PushAnswers): void {
    for (const [index, answer] of answers.entries()) {
      if (answer.status !== "applied") continue;
      const name = `${epoch} ${device} ${push.changes[index]?.key}`;
      this.#applied.set(name, (this.#applied.get(name) ?? 0) + 1);
    }
  }

  appliedTwice(): string[] {
    return [...this.#applied].filter(([, times]) => times > 1).map(([name]) => name);
  }
}

/** The way from one edge to the hub. */
export class FaultyHub implements Hub {
  isOnline = true;
  rates: FaultRates = NO_FAULTS;
  /** Requests that the edge gave up, and that still arrive. */
  readonly late: (() => Promise<void>)[] = [];
  readonly #edge: number;
  readonly #inner: Hub;
  readonly #device: string;
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #onKill: () => void;

  constructor(
    edge: number,
    device: string,
    inner: Hub,
    { random, recorder, onKill }: { random: Random; recorder: Recorder; onKill: () => void },
  ) {
    this.#edge = edge;
    this.#device = device;
    this.#inner = inner;
    this.#random = random;
    this.#recorder = recorder;
    this.#onKill = onKill;
  }

  identify(signal: AbortSignal): Promise<HubIdentity> {
    return this.#call(() => this.#inner.identify(signal));
  }

  push(push: PushChanges, signal: AbortSignal): Promise<PushAnswers> {
    const text = JSON.stringify(push);
    this.#recorder.messages.push({ edge: this.#edge, kind: "push", text });
    return this.#call(async () => {
      const sent = JSON.parse(text) as PushChanges;
      const answers = await this.#inner.push(sent, signal);
      this.#recorder.answered(this.#device, sent, answers);
      return answers;
    });
  }

  changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage> {
    return this.#call(async () => {
      const page = await this.#inner.changesAfter(cursor, options, signal);
      this.#recorder.messages.push({ edge: this.#edge, kind: "page", text: JSON.stringify(page) });
      return page;
    });
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #call<Result>(carryOut: () => Promise<Result>): Promise<Result> {
    const { dropped, unanswered, doubled, late, killed } = this.rates;
    if (!this.isOnline || this.#comes(dropped)) throw noAnswer();
    if (this.#comes(killed)) {
      if (this.#comes(0.5)) await carryOut();
      this.#onKill();
      return await new Promise<Result>(() => undefined); // Nothing of a killed process goes on.
    }
    if (this.#comes(late)) {
      this.late.push(async () => void (await carryOut().catch(ignoreRefusal)));
      throw noAnswer();
    }
    const result = await carryOut();
    if (this.#comes(unanswered)) throw noAnswer();
    if (!this.#comes(doubled)) return result;
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

/** A late request has nobody who waits for its answer: a refusal as a whole is one. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof HubError)) throw error;
}
