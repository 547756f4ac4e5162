import type { MemoryBounds } from "../domain/settings.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import type { HubCaller } from "./caller.ts";
import { ChangeReader, type ChangeReaderParts } from "./change-reader.ts";
import { Devices } from "./devices.ts";
import type { HubMetrics } from "./metrics.ts";
import { type ChangesOptions, type ChangesPage, PAGE_CHANGES_MAX, WAIT_MS_MAX } from "./protocol/changes.ts";
import { HubError } from "./protocol/codes.ts";
import { type HubIdentity, type Identify, PROTOCOL_VERSIONS } from "./protocol/identity.ts";
import { PUSH_BYTES_MAX, PUSH_CHANGES_MAX, type PushAnswer, type PushAnswers } from "./protocol/push.ts";
import { applyPush, type PushParts } from "./push.ts";
import { PushQuotas } from "./push-quotas.ts";
import type { HubSettings } from "./settings.ts";

export interface HubServiceParts extends PushParts, ChangeReaderParts {
  readonly ledger: HubLedger;
  readonly settings: HubSettings;
  readonly bounds: MemoryBounds;
  /** The shape of embeddings; null: not known here. */
  readonly vectors: HubIdentity["vectors"];
  readonly metrics: HubMetrics | null;
  /** Memories that a namespace has, as counted lately. */
  readonly memoriesIn: (namespace: string, signal: AbortSignal) => Promise<number>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Runs a call within its deadline. */
  readonly run: <T>(
    name: string,
    call: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
    work: (signal: AbortSignal) => Promise<T>,
  ) => Promise<T>;
}

/** Milliseconds that reading a page may take beside the waiting. */
const READ_TIMEOUT_MS = 15_000;

/** A push as it came. */
export interface ReceivedPush {
  readonly device: string;
  readonly epoch: string | null;
  readonly sentAt: number;
  readonly settledThrough: string | null;
  readonly changes: readonly unknown[];
  /** Bytes of the push as JSON. */
  readonly bytes: number;
}

/** The hub: what devices call, whatever the transport. */
export class HubService {
  readonly devices: Devices;
  readonly #parts: HubServiceParts;
  readonly #reader: ChangeReader;
  readonly #quotas: PushQuotas;

  constructor(parts: HubServiceParts) {
    this.#parts = parts;
    this.devices = new Devices(parts.ledger, parts.settings);
    this.#reader = new ChangeReader(parts);
    this.#quotas = new PushQuotas(parts);
  }

  /** @throws {HubError} */
  async identify(caller: HubCaller, request: Identify, signal: AbortSignal): Promise<HubIdentity> {
    const { device, name = null, protocolVersions } = request;
    const protocolVersion = PROTOCOL_VERSIONS.find((version) => protocolVersions.includes(version));
    if (protocolVersion === undefined) {
      const spoken = PROTOCOL_VERSIONS.join(", ");
      const message = `the hub speaks versions ${spoken} of the protocol, and the device ${protocolVersions.join(", ")}`;
      throw new HubError("PROTOCOL_UNSUPPORTED", message);
    }
    return await this.#timed("identify", signal, async (deadline) => {
      const { row, ledgerEpoch, now } = await this.devices.meet(caller, { device, name }, deadline);
      const { bounds, vectors } = this.#parts;
      return {
        protocolVersion,
        epoch: ledgerEpoch,
        now,
        limits: {
          pushChangesMax: PUSH_CHANGES_MAX,
          pushBytesMax: PUSH_BYTES_MAX,
          contentBytesMax: bounds.contentBytesMax,
          metadataBytesMax: bounds.metadataBytesMax,
          memoryIdBytesMax: bounds.memoryIdBytesMax,
          pageChangesMax: PAGE_CHANGES_MAX,
          waitMsMax: WAIT_MS_MAX,
        },
        device: { device, settledThrough: row.settledThrough, cursor: row.epoch === ledgerEpoch ? row.cursor : null },
        namespaces: caller.namespaces === null ? null : [...caller.namespaces].sort(),
        canWrite: caller.canWrite,
        vectors,
      };
    });
  }

  /** @throws {HubError} The call as a whole: nothing was applied, but for `DEVICE_REVOKED` and `RESYNC_REQUIRED` in its midst. */
  async push(caller: HubCaller, push: ReceivedPush, signal: AbortSignal): Promise<PushAnswers> {
    const { device, epoch, sentAt, settledThrough, changes, bytes } = push;
    if (!caller.canWrite) throw new HubError("FORBIDDEN", "the key may read and not write");
    if (changes.length > PUSH_CHANGES_MAX || bytes > PUSH_BYTES_MAX) {
      const found = `${changes.length} changes of ${bytes} bytes`;
      const message = `the push has ${found}, and ${PUSH_CHANGES_MAX} of ${PUSH_BYTES_MAX} are the limit: send fewer`;
      throw new HubError("SYNC_BATCH", message);
    }
    return await this.#timed("push", signal, async (deadline) => {
      const call = { device, settledThrough, epoch };
      return await this.devices.meeting(caller, call, deadline, async (met, noted) => {
        const { ledgerEpoch, now: receivedAt } = met;
        if (epoch !== null && epoch !== ledgerEpoch) {
          const message = "the hub's ledger went back since the device read it: read everything anew, then push again";
          throw new HubError("RESYNC_REQUIRED", message, { resync: { reason: "epoch", epoch: ledgerEpoch } });
        }
        const settling = epoch === ledgerEpoch ? settledThrough : null;
        const head = { device, epoch: ledgerEpoch, sentAt, receivedAt, settledThrough: settling };
        const refusals = await this.#quotas.refusals(caller, push, noted, deadline);
        const passing = changes.filter((_change, index) => refusals[index] === null);
        const applied = (await applyPush(this.#parts, caller, head, passing, deadline)).values();
        const answers = refusals.map((refusal) => refusal ?? (applied.next().value as PushAnswer));
        this.#quotas.pushed(device, answers);
        this.#parts.metrics?.answered(answers);
        return { epoch: ledgerEpoch, receivedAt, answers };
      });
    });
  }

  /** @throws {HubError} @throws {QueueFullError} Too many readers wait. */
  async changesAfter(
    caller: HubCaller,
    device: string,
    cursor: string | null,
    options: ChangesOptions,
    signal: AbortSignal,
  ): Promise<ChangesPage> {
    const { now, run, metrics } = this.#parts;
    return await run("hub.changes", { signal, timeoutMs: options.waitMs + READ_TIMEOUT_MS }, async (deadline) => {
      return await this.devices.meeting(caller, { device }, deadline, async (met) => {
        const metAt = now();
        const reading = { device, ledgerEpoch: met.ledgerEpoch, now: met.now };
        const page = await this.#reader.read(reading, caller, cursor, options, deadline);
        metrics?.told(page.changes.length);
        return { ...page, now: page.now + Math.round(now() - metAt) }; // It may have waited.
      });
    });
  }

  async #timed<T>(
    call: "identify" | "push",
    signal: AbortSignal,
    work: (deadline: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { metrics, now, run } = this.#parts;
    const begunAt = now();
    try {
      return await run(`hub.${call}`, { signal }, work);
    } finally {
      metrics?.took(call, (now() - begunAt) / 1_000);
    }
  }
}
