import { HubError } from "../../hub/protocol/codes.ts";
import type { Hub } from "../../hub/protocol/hub.ts";
import { backoffMs } from "../../runtime/backoff.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import type { HubContact, SyncState } from "../file/sync-state.ts";
import type { FilePort } from "../worker/file-port.ts";

export interface LinkOptions {
  readonly port: FilePort;
  /** Makes the transport of a device. A renamed device needs another one. */
  readonly connect: (device: string) => Hub;
  readonly now: () => number;
  readonly random: () => number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** Told when the state of the contact changes. */
  readonly onContact: (contact: HubContact) => void;
  readonly onRenamed: (device: string) => void;
}

/** Bounds of what the hub takes, as it said. */
export interface HubBounds {
  readonly pushChangesMax: number;
  readonly pushBytesMax: number;
  readonly pageChangesMax: number;
  readonly waitMsMax: number;
}

/** A call of `identify` that callers share. */
interface Meeting {
  readonly bounds: Promise<HubBounds>;
  readonly abort: AbortController;
  /** Callers that wait for it. */
  waiting: number;
}

/**
 * The hub behind one rule for failures: a call that the hub did not answer, or refused as a whole, holds up all calls for a
 * while that doubles, and costs no change an attempt. A success ends that.
 */
export class HubLink {
  readonly #options: LinkOptions;
  #hub: Hub | null = null;
  #device: string | null = null;
  #bounds: HubBounds | null = null;
  #meeting: Meeting | null = null;
  #failures = 0;
  #notBefore = 0;
  #contact: HubContact["state"] | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Milliseconds until the hub may be called again. */
  waitMs(): number {
    const left = this.#notBefore - this.#options.now();
    // A clock that was put back must not make a wait of years.
    return left <= 0 || left > 2 * this.#options.retryMaxMs ? 0 : left;
  }

  /** Lets the next call be made at once. */
  hurry(): void {
    this.#notBefore = 0;
  }

  /** Asks the hub anew before the next call: it may stand elsewhere now. */
  forget(): void {
    this.#bounds = null;
  }

  /** As the hub said them last; null: it is to be asked. */
  get bounds(): HubBounds | null {
    return this.#bounds;
  }

  /** Knows the hub: its epoch, clock and bounds, and whether this device is one of a copied file. */
  async meet(signal: AbortSignal): Promise<HubBounds> {
    if (this.#bounds !== null) return this.#bounds;
    signal.throwIfAborted();
    this.#meeting ??= this.#beginMeeting();
    const meeting = this.#meeting;
    meeting.waiting++;
    try {
      return await untilAborted(meeting.bounds, signal);
    } finally {
      // The call is shared: it ends before its answer once nothing waits for it any more, and not with the first caller's signal.
      if (--meeting.waiting === 0) this.#endMeeting(meeting, signal.reason);
    }
  }

  #beginMeeting(): Meeting {
    const abort = new AbortController();
    const bounds = this.#meet(abort.signal);
    const meeting: Meeting = { bounds, abort, waiting: 0 };
    const over = (): void => {
      if (this.#meeting === meeting) this.#meeting = null;
    };
    bounds.then(over, over); // Also where no caller is left to get the error.
    return meeting;
  }

  #endMeeting(meeting: Meeting, reason: unknown): void {
    if (this.#meeting !== meeting) return;
    this.#meeting = null;
    meeting.abort.abort(reason);
  }

  async #meet(signal: AbortSignal): Promise<HubBounds> {
    const { port, now, onRenamed } = this.#options;
    // Twice at most: a renamed device introduces itself once.
    for (let round = 0; ; round++) {
      const { device } = await port.state();
      const identity = await this.call(device, (hub) => hub.identify(signal));
      const state: SyncState & { isRenamed: boolean } = await port.meetHub(identity, now());
      if (!state.isRenamed || round > 0) {
        this.#bounds = identity.limits;
        return identity.limits;
      }
      onRenamed(state.device);
    }
  }

  /** @throws {HubError} after it is counted; the reason of a signal as it is. */
  async call<Result>(device: string, work: (hub: Hub) => Promise<Result>): Promise<Result> {
    try {
      const result = await work(await this.#of(device));
      this.#failures = 0;
      this.#notBefore = 0;
      await this.#note("online", null);
      return result;
    } catch (error) {
      if (error instanceof HubError) await this.#failed(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    this.#hub = null;
  }

  async #of(device: string): Promise<Hub> {
    if (this.#hub !== null && this.#device === device) return this.#hub;
    await this.#hub?.close();
    this.#device = device;
    this.#hub = this.#options.connect(device);
    return this.#hub;
  }

  async #failed(error: HubError): Promise<void> {
    // The hub answered, and what it said is dealt with by the caller.
    if (error.code === "RESYNC_REQUIRED" || error.code === "SYNC_BATCH") return await this.#note("online", null);
    const { retryBaseMs: baseMs, retryMaxMs: maxMs, random, now } = this.#options;
    this.#failures++;
    const waitMs = backoffMs(this.#failures, { baseMs, maxMs, random });
    this.#notBefore = now() + Math.max(waitMs, Math.min(error.retryAfterMs ?? 0, maxMs));
    await this.#note(error.code === "SYNC_CONNECTION" ? "offline" : "refused", error);
  }

  async #note(state: HubContact["state"], error: HubError | null): Promise<void> {
    if (this.#contact === state) return;
    this.#contact = state;
    const contact = { at: this.#options.now(), state, code: error?.code ?? null, message: error?.message ?? null };
    await this.#options.port.setContact(contact);
    this.#options.onContact(contact);
  }
}
