import type { ChangesOptions, ChangesPage } from "../../hub/protocol/changes.ts";
import { HubError } from "../../hub/protocol/codes.ts";
import type { Hub } from "../../hub/protocol/hub.ts";
import type { HubIdentity } from "../../hub/protocol/identity.ts";
import type { PushAnswers, PushChanges } from "../../hub/protocol/push.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import type { HeldBatch } from "../file/batches.ts";
import type { CallHub, HubCall } from "./hub-messages.ts";

/**
 * The hub as the worker calls it. A page comes without its changes, which stay there until they are applied, and a batch goes without its
 * own, which are there already.
 */
export class WorkerHub implements Hub {
  readonly #device: string;
  readonly #call: CallHub;

  constructor(device: string, call: CallHub) {
    this.#device = device;
    this.#call = call;
  }

  async identify(signal: AbortSignal): Promise<HubIdentity> {
    return (await this.#ask({ name: "identify" }, signal)) as HubIdentity;
  }

  async push(push: PushChanges & Partial<Pick<HeldBatch, "held">>, signal: AbortSignal): Promise<PushAnswers> {
    const { epoch, sentAt, settledThrough, changes, held } = push;
    const sent = { epoch, sentAt, settledThrough, changes, ...(held !== undefined && { held }) };
    return (await this.#ask({ name: "push", push: sent }, signal)) as PushAnswers;
  }

  async changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage> {
    return (await this.#ask({ name: "changesAfter", cursor, options }, signal)) as ChangesPage;
  }

  /** The worker's connections end with it. */
  async close(): Promise<void> {}

  async #ask(call: HubCall, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    const { outcome, end } = this.#call(this.#device, call);
    const forget = onAbort(signal, end);
    try {
      const found = await untilAborted(outcome, signal);
      if ("value" in found) return found.value;
      const { code, message, retryAfterMs, resync } = found.refusal;
      throw new HubError(code, message, { retryAfterMs, ...(resync !== null && { resync }) });
    } finally {
      forget();
    }
  }
}
