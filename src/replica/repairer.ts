import type { MemoryKey } from "../domain/keys.ts";
import { newUlid } from "../runtime/ulid.ts";
import { callSide } from "./call.ts";
import { claimWriting, type Fence, readReplicaCursor } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { ReplicaNotNowError } from "./not-now-error.ts";
import { isRefusal } from "./refusals.ts";
import { mendMemory, type ResendParts } from "./resend.ts";

/**
 * Sends memories again, and has rows go that the primary does not have. It takes the writing over for that time: the process that
 * replicates is refused, and begins anew where the replica stands.
 */
export async function repairMemories(
  parts: ResendParts,
  holder: string,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<void> {
  let fence = await claim(parts, holder, signal);
  for (const key of keys) {
    for (let attempts = 1; ; attempts++) {
      try {
        await mendMemory(parts, fence, key, "epoch", signal);
        break;
      } catch (error) {
        if (isRefusal(error)) break; // It stays a finding that was not repaired.
        if (!(error instanceof FencedError) || attempts === ATTEMPTS_MAX) throw error;
        fence = await claim(parts, holder, signal); // Replication has begun anew meanwhile.
      }
    }
  }
}

/** Attempts at a memory while replication takes the writing back. */
const ATTEMPTS_MAX = 10;

async function claim(parts: ResendParts, holder: string, signal: AbortSignal): Promise<Fence> {
  const writer = `${holder}/${newUlid()}`;
  const state = await callSide(parts, parts.replica, signal, async (sql) => {
    await claimWriting(sql, writer);
    return await readReplicaCursor(sql);
  });
  if (state === null) throw new ReplicaNotNowError("it has no place yet: replication has not begun");
  return { writer, epoch: state.feedEpoch };
}
