import { HubError } from "../../hub/protocol/codes.ts";
import type { Hub } from "../../hub/protocol/hub.ts";
import type { EdgeFile } from "../file/edge-file.ts";
import { HttpHub } from "../transport/http-hub.ts";
import { HeldBatches } from "./held-batches.ts";
import type { HubAddress, HubCall, HubOutcome, HubWork } from "./hub-messages.ts";

/**
 * Calls of the hub, made in the thread of the file: what they receive is read, checked and applied there. In the caller's thread their
 * garbage filled a heap that nothing bounds (25 MiB at 20,000 memories), and reading a page held its event loop.
 */
export class HubCalls {
  readonly #address: HubAddress;
  readonly #file: EdgeFile;
  readonly #underWay = new Map<number, AbortController>();
  readonly batches = new HeldBatches();
  #hub: Hub | null = null;
  #device: string | null = null;

  constructor(address: HubAddress, file: EdgeFile) {
    this.#address = address;
    this.#file = file;
  }

  /** Never rejects for what the hub says. */
  async make({ id, device, hub: call }: HubWork): Promise<HubOutcome> {
    const abort = new AbortController();
    this.#underWay.set(id, abort);
    try {
      return { value: await this.#made(this.#of(device), call, abort.signal) };
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const { code, message, retryAfterMs, resync } = error;
      return { refusal: { code, message, retryAfterMs, resync } };
    } finally {
      this.#underWay.delete(id);
    }
  }

  end(id: number): void {
    this.#underWay.get(id)?.abort(new HubError("SYNC_CONNECTION", "the caller has given up"));
  }

  #of(device: string): Hub {
    if (this.#hub !== null && this.#device === device) return this.#hub;
    this.#device = device;
    this.#hub = new HttpHub({ ...this.#address, device, readPage: async (bytes) => this.#file.readPage(bytes) });
    return this.#hub;
  }

  async #made(hub: Hub, call: HubCall, signal: AbortSignal): Promise<unknown> {
    switch (call.name) {
      case "identify":
        return await hub.identify(signal);
      case "push":
        return await hub.push(this.batches.take(call.push), signal);
      case "changesAfter":
        return await hub.changesAfter(call.cursor, call.options, signal);
    }
  }
}
