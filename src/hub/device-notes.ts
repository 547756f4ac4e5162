import type { DeviceCall } from "../ledger/device-statements.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import { untilAborted } from "../runtime/deadline.ts";
import { NEVER } from "../runtime/shared-deadline.ts";

/** A note that waits for the one before it. */
interface Waiting {
  call: DeviceCall;
  readonly done: Promise<void>;
}

/**
 * Notes of devices' calls, gathered: while one of a device is on its way, those that come meanwhile are one, behind it. A device with
 * several pushes under way had a commit for each, and each waited for the lock of the one before.
 */
export class DeviceNotes {
  readonly #ledger: Pick<HubLedger, "noteDevice">;
  /** Devices with a note on its way. Undefined: nothing waits behind it. */
  readonly #underWay = new Map<string, { done: Promise<void>; waiting: Waiting | undefined }>();

  constructor(ledger: Pick<HubLedger, "noteDevice">) {
    this.#ledger = ledger;
  }

  /** Resolves once all that `call` says is kept. @throws the ledger's errors, or the reason of `signal`. */
  async note(call: DeviceCall, signal: AbortSignal): Promise<void> {
    const underWay = this.#underWay.get(call.device);
    if (underWay === undefined) return await untilAborted(this.#begin(call), signal);
    const { waiting } = underWay;
    if (waiting === undefined) {
      const next: Waiting = { call, done: this.#behind(underWay.done, () => next.call) };
      underWay.waiting = next;
      return await untilAborted(next.done, signal);
    }
    const both = joined(waiting.call, call);
    // Of another key or epoch: what one of them says may not count.
    if (both === null) return await this.#ledger.noteDevice(call, signal);
    waiting.call = both;
    return await untilAborted(waiting.done, signal);
  }

  /** Not ended by a caller's signal: others wait for it too. It has the time of any call of the ledger. */
  #begin(call: DeviceCall): Promise<void> {
    const { device } = call;
    const done = this.#ledger.noteDevice(call, NEVER).finally(() => {
      if (this.#underWay.get(device)?.waiting === undefined) this.#underWay.delete(device);
    });
    this.#underWay.set(device, { done, waiting: undefined });
    return done;
  }

  async #behind(before: Promise<void>, call: () => DeviceCall): Promise<void> {
    await before.catch(() => undefined); // Its callers get its error; this note stands for itself.
    await this.#begin(call());
  }
}

/** One call that says what both say; null: there is none. */
function joined(one: DeviceCall, other: DeviceCall): DeviceCall | null {
  const isAlike = one.owner === other.owner && one.epoch === other.epoch && one.name === other.name;
  if (!isAlike || one.devicesMax !== other.devicesMax) return null;
  const settledThrough = greater(one.settledThrough, other.settledThrough);
  return { ...one, settledThrough };
}

/** The greater of two keys of changes, which are ASCII; null is less than each. */
function greater(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}
