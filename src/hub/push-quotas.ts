import { NAMESPACE_PATTERN } from "../domain/schema.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import { type HubCaller, maySee } from "./caller.ts";
import type { PushAnswer } from "./protocol/push.ts";
import { rejected } from "./push.ts";
import { Quota } from "./quotas.ts";
import type { HubSettings } from "./settings.ts";

export interface PushQuotaParts {
  readonly ledger: Pick<HubLedger, "countClaims">;
  readonly settings: HubSettings;
  readonly memoriesIn: (namespace: string, signal: AbortSignal) => Promise<number>;
  readonly now: () => number;
}

/** What a push takes of the quotas. */
export interface PushedAmount {
  readonly device: string;
  /** Not checked yet. */
  readonly changes: readonly unknown[];
  readonly bytes: number;
}

/** Changes of a device after which its claims are counted again. */
const COUNT_EVERY = 1_000;
/** Devices whose claims were counted that are remembered. */
const COUNTED_MAX = 10_000;
/** Milliseconds until a device that keeps too many answers may ask again. */
const KEYS_AFTER_MS = 5_000;

/**
 * What a push may use. Each node counts for itself: with several of them a device may push as much to each. A withdrawal passes
 * whatever a device has used: content whose privacy was raised leaves the hub at once.
 */
export class PushQuotas {
  readonly #parts: PushQuotaParts;
  readonly #changes: Quota;
  readonly #ownerChanges: Quota;
  readonly #bytes: Quota;
  /** Changes that may be applied until claims are counted again, by device. */
  readonly #room = new Map<string, number>();

  constructor(parts: PushQuotaParts) {
    const { settings, now } = parts;
    this.#parts = parts;
    this.#changes = new Quota(settings.changesPerSecondMax, now);
    this.#ownerChanges = new Quota(settings.ownerChangesPerSecondMax, now);
    this.#bytes = new Quota(settings.bytesPerSecondMax, now);
  }

  /** One per change: the answer that refuses it, or null. @param settled resolves once what the push calls settled is forgotten. */
  async refusals(
    caller: Pick<HubCaller, "owner" | "namespaces">,
    { device, changes, bytes }: PushedAmount,
    settled: Promise<void>,
    signal: AbortSignal,
  ): Promise<(PushAnswer | null)[]> {
    const { owner } = caller;
    const isFree = (change: unknown): boolean => Object(change).op === "withdraw";
    const passing = changes.filter((change) => !isFree(change)).length;
    const refusal = passing === 0 ? null : await this.#refusal(owner, device, passing, bytes, settled, signal);
    if (refusal !== null) return changes.map((change) => (isFree(change) ? null : refusal));
    this.#changes.take(device, passing);
    this.#ownerChanges.take(owner, passing);
    this.#bytes.take(device, bytes);
    const full = await this.#fullNamespaces(caller, changes, signal);
    return changes.map((change) => (full.has(newIn(change) ?? "") ? tooMany(newIn(change) as string) : null));
  }

  /** Counts what was applied. */
  pushed(device: string, answers: readonly PushAnswer[]): void {
    const room = this.#room.get(device);
    if (room === undefined) return;
    this.#room.set(device, room - answers.filter(({ status }) => status === "applied").length);
  }

  async #refusal(
    owner: string,
    device: string,
    changes: number,
    bytes: number,
    settled: Promise<void>,
    signal: AbortSignal,
  ): Promise<PushAnswer | null> {
    const afterMs = Math.max(this.#changes.waitMs(device, changes), this.#ownerChanges.waitMs(owner, changes));
    if (afterMs > 0)
      return retry("QUOTA_CHANGES", "more changes per second than the device or its owner may push", afterMs);
    const bytesMs = this.#bytes.waitMs(device, bytes);
    if (bytesMs > 0) return retry("QUOTA_BYTES", "more bytes per second than the device may push", bytesMs);
    const max = this.#parts.settings.claimsPerDeviceMax;
    if ((await this.#claims(device, max, signal)) < max) return null;
    await settled;
    if ((await this.#claims(device, max, signal)) < max) return null;
    const message = `the hub keeps the answers to ${max} changes for the device: send settledThrough, once they are kept`;
    return retry("QUOTA_KEYS", message, KEYS_AFTER_MS);
  }

  /** Claims of a device; as few as 0 while they were counted lately, and there was room. */
  async #claims(device: string, max: number, signal: AbortSignal): Promise<number> {
    if ((this.#room.get(device) ?? 0) > 0) return 0;
    const claims = await this.#parts.ledger.countClaims(device, max, signal);
    this.#room.delete(device);
    if (claims < max) this.#room.set(device, Math.min(COUNT_EVERY, max - claims));
    const oldest = this.#room.size > COUNTED_MAX ? this.#room.keys().next().value : undefined;
    if (oldest !== undefined) this.#room.delete(oldest);
    return claims;
  }

  /** Of those that the caller may see: a change of any other is refused without a count. */
  async #fullNamespaces(
    caller: Pick<HubCaller, "namespaces">,
    changes: readonly unknown[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const max = this.#parts.settings.memoriesPerNamespaceMax;
    const full = new Set<string>();
    if (max === undefined) return full;
    for (const namespace of new Set(changes.flatMap((change) => newIn(change) ?? []))) {
      if (!NAMESPACE_PATTERN.test(namespace) || !maySee(caller, namespace)) continue;
      if ((await this.#parts.memoriesIn(namespace, signal)) >= max) full.add(namespace);
    }
    return full;
  }
}

/** The namespace to which a change may add a memory; null: it adds none. Changes are not checked yet. */
function newIn(change: unknown): string | null {
  const { op, namespace, baseVersion } = Object(change) as { op?: unknown; namespace?: unknown; baseVersion?: unknown };
  return op === "put" && typeof namespace === "string" && (baseVersion === 0 || baseVersion === null)
    ? namespace
    : null;
}

function tooMany(namespace: string): PushAnswer {
  return rejected("QUOTA_MEMORIES", `namespace ${namespace} has as many memories as the hub takes: delete some`);
}

function retry(code: "QUOTA_CHANGES" | "QUOTA_BYTES" | "QUOTA_KEYS", message: string, afterMs: number): PushAnswer {
  return { status: "retry", code, message, afterMs };
}
