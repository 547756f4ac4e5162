import { IdempotencyKeyReusedError } from "../domain/errors.ts";
import type { PushedFacts } from "../ledger/change-claims.ts";
import type { LockedVersion } from "../ledger/write-statements.ts";
import type { ChangeOrigin, OriginVerdict } from "../write/change-origin.ts";
import { ChangeRefusedError, HubError } from "./protocol/codes.ts";
import { type FoundPrivacy, holderAfter, privacyRefusal } from "./protocol/privacy.ts";
import type { PushChange } from "./protocol/push.ts";
import type { PushHead } from "./push-head.ts";

/** A change as the transaction that applies it judges it: by its key first, then by the memory. */
export function pushOrigin(
  change: PushChange,
  fingerprint: string,
  from: Pick<PushHead, "device" | "epoch" | "settledThrough">,
): ChangeOrigin {
  const { device, epoch, settledThrough } = from;
  return {
    device,
    key: change.key,
    fingerprint,
    expectsNew: change.op === "put" && (change.baseVersion === 0 || change.baseVersion === null),
    judge: (facts, locked) =>
      judgeDevice(facts, epoch) ?? judgeKey(change, fingerprint, facts, settledThrough) ?? judgeMemory(facts, locked),
    holderAfter: (facts, locked) => holderAfter(change, foundOf(facts, locked), device),
  };

  function judgeMemory(facts: PushedFacts, locked: LockedVersion | undefined): OriginVerdict | null {
    const found = foundOf(facts, locked);
    const refusal = privacyRefusal(change, found, device);
    if (refusal?.code === "ERASED") return refused(refusal);
    // A conflict first: the device learns what became of the memory.
    if (change.op !== "withdraw" && !isBase(change.baseVersion, locked)) return { action: "conflict" };
    return refusal === null ? null : refused(refusal);
  }
}

/** What may have changed since the call began. */
function judgeDevice({ device, epoch }: PushedFacts, expected: string): OriginVerdict | null {
  if (epoch !== expected) {
    const resync = { reason: "epoch", epoch } as const;
    const message = "the hub's ledger went back while the push was under way: read everything anew";
    return { action: "refused", error: new HubError("RESYNC_REQUIRED", message, { resync }) };
  }
  if (device !== null && !device.isRevoked) return null;
  return { action: "refused", error: new HubError("DEVICE_REVOKED", "the device was revoked while it pushed") };
}

/** @param settling what the push itself calls settled: that counts, whether it is kept by now or not. */
function judgeKey(
  { key }: PushChange,
  fingerprint: string,
  { taken, device }: PushedFacts,
  settling: string | null,
): OriginVerdict | null {
  if (settling !== null && key <= settling) return refused(settled(settling));
  if (taken !== null) {
    const isSame = taken.fingerprint === null || taken.fingerprint === fingerprint;
    if (isSame) return { action: "repeated", version: taken.version };
    return { action: "refused", error: new IdempotencyKeyReusedError(key) };
  }
  const floor = device?.settledThrough ?? null;
  return floor === null || key > floor ? null : refused(settled(floor));
}

function settled(floor: string): { readonly code: "SYNC_SETTLED"; readonly message: string } {
  const message = `the device called the keys up to ${floor} settled: this is a late copy, or the change needs a new key`;
  return { code: "SYNC_SETTLED", message };
}

/** Whether a change was made on what is there now. */
function isBase(baseVersion: number | null, locked: LockedVersion | undefined): boolean {
  if (locked === undefined) return baseVersion === null || baseVersion === 0;
  if (baseVersion === locked.version) return true;
  // A deletion and no memory are the same to a device that knew neither. A withdrawal is not: a change from before it, still on
  // its way, must not bring the content back.
  return baseVersion === 0 && locked.checksum === null && locked.endedBy !== "withdrawn";
}

function foundOf({ privacy, holder }: PushedFacts, locked: LockedVersion | undefined): FoundPrivacy | null {
  return locked === undefined ? null : { privacy, endedBy: locked.endedBy, holder };
}

function refused({ code, message }: { code: ChangeRefusedError["rejected"]; message: string }): OriginVerdict {
  return { action: "refused", error: new ChangeRefusedError(code, message) };
}
