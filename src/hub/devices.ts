import { NotFoundError } from "../domain/errors.ts";
import type { DeviceCall, DeviceRow, DeviceStanding } from "../ledger/device-statements.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import type { HubCaller } from "./caller.ts";
import { DeviceNotes } from "./device-notes.ts";
import { HubError } from "./protocol/codes.ts";

/** A device as operators see it. Times are ISO-8601. */
export interface Device {
  readonly device: string;
  readonly name: string | null;
  /** Of the key that it used last. */
  readonly owner: string;
  readonly state: "active" | "revoked";
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** When it read changes last; null: never. */
  readonly readAt: string | null;
  /** Seconds since the oldest change that it was not told of; null: it has not read in this epoch. */
  readonly behindSeconds: number | null;
  /** Applied changes that it has not called settled. */
  readonly unsettled: number;
  readonly revokedAt: string | null;
}

/** A device that may call. */
export interface MetRow {
  readonly ledgerEpoch: string;
  readonly now: number;
  readonly row: DeviceRow;
}

/** What a device says when it calls. */
export interface DeviceCalling {
  readonly device: string;
  readonly name?: string | null;
  readonly settledThrough?: string | null;
  readonly epoch?: string | null;
}

type DeviceLedger = Pick<
  HubLedger,
  "noteDevice" | "recogniseDevice" | "moveDevice" | "listDevices" | "readDevice" | "revokeDevice" | "admitDevice"
>;

/** Milliseconds for which a call that settles nothing is not noted behind another one of its device. */
const SEEN_MS = 1_000;

/** The devices of the hub. */
export class Devices {
  readonly #ledger: DeviceLedger;
  readonly #notes: DeviceNotes;
  readonly #perOwnerMax: number;

  constructor(ledger: DeviceLedger, options: { readonly devicesPerOwnerMax: number }) {
    this.#ledger = ledger;
    this.#notes = new DeviceNotes(ledger);
    this.#perOwnerMax = options.devicesPerOwnerMax;
  }

  /**
   * Notes the call of a device, which is made known where it is new.
   * @throws {HubError} `DEVICE_REVOKED`; `FORBIDDEN`: it is another owner's, or the owner has too many.
   */
  async meet(caller: HubCaller, call: DeviceCalling, signal: AbortSignal): Promise<MetRow> {
    const { device } = call;
    const { owner } = caller;
    await this.#note(caller, call, signal);
    let met = await this.#ledger.recogniseDevice(device, signal);
    if (met.row !== null && met.row.owner !== owner && met.row.revokedAt === null) {
      // A renewed key may have another owner. Nobody takes a device over from an owner whose key is still good: the owner of a
      // device says which of its changes are settled.
      if (await caller.isActive(met.row.owner)) throw otherOwner(device);
      await this.#ledger.moveDevice(device, met.row.owner, owner, signal);
      await this.#note(caller, call, signal);
      met = await this.#ledger.recogniseDevice(device, signal);
    }
    const { row } = met;
    if (row === null) {
      const message = `the owner of the key has ${this.#perOwnerMax} devices already: revoke some that are gone`;
      throw new HubError("FORBIDDEN", message);
    }
    if (row.revokedAt !== null) throw new HubError("DEVICE_REVOKED", "the device was revoked by an administrator");
    if (row.owner !== owner) throw otherOwner(device);
    return { ...met, row };
  }

  /**
   * As `meet`, with `work` beside the note of the call: a device that is known waits for one statement that reads, and not for a commit.
   * What the call settles is of no account for its own changes: their keys are greater. A call that says nothing new, a moment after
   * another one, is not noted.
   */
  async meeting<T>(
    caller: HubCaller,
    call: DeviceCalling,
    signal: AbortSignal,
    work: (met: MetRow, noted: Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { row, ...met } = await this.#ledger.recogniseDevice(call.device, signal);
    const isKnown = row !== null && row.owner === caller.owner && row.revokedAt === null;
    if (!isKnown) return await work(await this.meet(caller, call, signal), Promise.resolve());
    if (saysNothing(call, { ...met, row })) return await work({ ...met, row }, Promise.resolve());
    const noting = this.#notes.note(this.#callOf(caller, call), signal);
    const [noted, done] = await Promise.allSettled([noting, work({ ...met, row }, noting)]);
    if (done.status === "rejected") throw done.reason;
    if (noted.status === "rejected") throw noted.reason;
    return done.value;
  }

  async #note(caller: HubCaller, call: DeviceCalling, signal: AbortSignal): Promise<void> {
    await this.#ledger.noteDevice(this.#callOf(caller, call), signal);
  }

  #callOf({ owner }: HubCaller, call: DeviceCalling): DeviceCall {
    const { device, name = null, settledThrough = null, epoch = null } = call;
    return { device, owner, name, settledThrough, epoch, devicesMax: this.#perOwnerMax };
  }

  /** In the order of ids. @param options.limit 1 … 1_000 */
  async list(options: { readonly after: string; readonly limit: number }, signal: AbortSignal): Promise<Device[]> {
    const rows = await this.#ledger.listDevices(options.after, options.limit, signal);
    return rows.map(shown);
  }

  /** @throws {NotFoundError} */
  async get(device: string, signal: AbortSignal): Promise<Device> {
    const row = await this.#ledger.readDevice(device, signal);
    if (row === null) throw unknown(device);
    return shown(row);
  }

  /** Its calls are refused from now on, and it holds the retention of nothing. Twice is once. @throws {NotFoundError} */
  async revoke(device: string, signal: AbortSignal): Promise<Device> {
    if (!(await this.#ledger.revokeDevice(device, signal))) throw unknown(device);
    return await this.get(device, signal);
  }

  /** Takes a revocation back. @throws {NotFoundError} */
  async admit(device: string, signal: AbortSignal): Promise<Device> {
    if (!(await this.#ledger.admitDevice(device, signal))) throw unknown(device);
    return await this.get(device, signal);
  }
}

/** Whether all that a call says of its device is kept already. */
function saysNothing(call: DeviceCalling, { row, ledgerEpoch, now }: MetRow): boolean {
  const { name = null, settledThrough = null, epoch = null } = call;
  const settles = settledThrough !== null && epoch === ledgerEpoch && !(settledThrough <= (row.settledThrough ?? ""));
  const wasSeen = Math.abs(now - row.lastSeenAt) < SEEN_MS;
  return wasSeen && !settles && (name === null || name === row.name);
}

function shown(row: DeviceRow & DeviceStanding): Device {
  const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString());
  return {
    device: row.device,
    name: row.name,
    owner: row.owner,
    state: row.revokedAt === null ? "active" : "revoked",
    firstSeenAt: time(row.firstSeenAt) as string,
    lastSeenAt: time(row.lastSeenAt) as string,
    readAt: time(row.readAt),
    behindSeconds: row.behindSeconds === null ? null : Math.round(row.behindSeconds * 1_000) / 1_000,
    unsettled: row.claims,
    revokedAt: time(row.revokedAt),
  };
}

function otherOwner(device: string): HubError {
  return new HubError(
    "FORBIDDEN",
    `device ${device} belongs to another owner of keys: give the new key the owner of the old one, or revoke the old one first`,
  );
}

function unknown(device: string): NotFoundError {
  return new NotFoundError(`there is no device ${JSON.stringify(device)}`);
}
