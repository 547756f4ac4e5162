import { EpochChangedError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { newUlid } from "../runtime/ulid.ts";
import { callSide } from "./call.ts";
import { claimWriting, type Fence, readReplicaCursor } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { ReplicaNotNowError } from "./not-now-error.ts";
import { isRefusal } from "./refusals.ts";
import { mendMemory, type ResendParts } from "./resend.ts";

/** The writing, taken over. */
interface Claim {
  readonly fence: Fence;
  /** Their proof asks for what the replica was told until now: this process may never have read the primary for it. */
  readonly parts: ResendParts;
}

/**
 * Sends memories again, and has rows go that the primary does not have. It takes the writing over for that time: the process that
 * replicates is refused, and begins anew where the replica stands.
 * @throws {ReplicaNotNowError} The primary was put back, and the replica is not compared with it yet: nothing that the primary says
 * since then was written.
 */
export async function repairMemories(
  parts: ResendParts,
  holder: string,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await repairEach(parts, holder, keys, signal);
  } catch (error) {
    if (!(error instanceof EpochChangedError)) throw error;
    throw new ReplicaNotNowError(
      "its primary was put back: verify it once it has been compared with that, see mnemosync replica status",
    );
  }
}

async function repairEach(
  parts: ResendParts,
  holder: string,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<void> {
  let own = await claim(parts, holder, signal);
  for (const key of keys) {
    for (let attempts = 1; ; attempts++) {
      try {
        await mendMemory(own.parts, own.fence, key, "epoch", signal);
        break;
      } catch (error) {
        if (isRefusal(error)) break; // It stays a finding that was not repaired.
        if (!(error instanceof FencedError) || attempts === ATTEMPTS_MAX) throw error;
        own = await claim(parts, holder, signal); // Replication has begun anew meanwhile.
      }
    }
  }
}

/** Attempts at a memory while replication takes the writing back. */
const ATTEMPTS_MAX = 10;

async function claim(parts: ResendParts, holder: string, signal: AbortSignal): Promise<Claim> {
  const writer = `${holder}/${newUlid()}`;
  const state = await callSide(parts, parts.replica, signal, async (sql) => {
    await claimWriting(sql, writer);
    return await readReplicaCursor(sql);
  });
  if (state === null) throw new ReplicaNotNowError("it has no place yet: replication has not begun");
  const proof: ResendParts["proof"] = { assert: (epoch, deadline) => parts.proof.assert(epoch, deadline, state) };
  return { fence: { writer, epoch: state.feedEpoch }, parts: { ...parts, proof } };
}
