import { bucketOf, keyText, type MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { readVersions } from "../ledger/read-statements.ts";
import type { Log } from "../runtime/log.ts";
import { applyWrites } from "./apply-statements.ts";
import { callSide } from "./call.ts";
import { misfits, type PrimarySide, readPrimarySide, settleMisfits } from "./compare-statements.ts";
import type { Comparing, Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { divertLost } from "./lost-versions.ts";
import { readMemoryRows } from "./memory-rows.ts";
import type { PrimaryProof } from "./primary-proof.ts";
import { readPageFacts } from "./primary-statements.ts";
import { type ReplicaWrite, replicaWrite } from "./replica-write.ts";

export interface ResendParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  /** Asked between reading the primary and writing what it said: until it is noticed that the primary was put back, it says less. */
  readonly proof: Pick<PrimaryProof, "assert">;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/**
 * Sends a memory again, as the primary has it now with all its versions. Only the process that replicates may do so, between two
 * passes: nothing else writes the memory meanwhile. Of one that the primary no longer has nothing is sent.
 * @param isRepair see `applyWrites`. @default false
 * @returns the version that the primary had then; null: it has none.
 * @throws {StoreRefusedError} The replica refuses it. @throws {EpochChangedError} The primary was put back: nothing was written.
 */
export async function resendMemory(
  parts: ResendParts,
  fence: Fence,
  key: MemoryKey,
  signal: AbortSignal,
  isRepair = false,
): Promise<ReplicaWrite | null> {
  const writes = await callSide(parts, parts.primary, signal, async (sql) => {
    const rows = await readMemoryRows(sql, key);
    const { later } = await readPageFacts(sql, rows);
    return rows.map((row, index) => replicaWrite(row, later[index]));
  });
  await parts.proof.assert(fence.epoch, signal);
  if (writes.length === 0) return null;
  const answer = await callSide(parts, parts.replica, signal, (sql) => applyWrites(sql, fence, writes, null, isRepair));
  if (answer === "fenced") throw new FencedError();
  return writes.at(-1) ?? null;
}

/**
 * Has a memory be in the replica as it is in the primary: sends it again, as a repair, has its row go back where it is ahead of
 * what was sent, or unknown to the primary, and moves away what the primary lost of it.
 * @param why what becomes of a row that the primary does not know: see `Comparing`.
 * @throws {StoreRefusedError} The replica refuses it. @throws {EpochChangedError} The primary was put back: nothing that it says since
 * then was written.
 */
export async function mendMemory(
  parts: ResendParts,
  fence: Fence,
  key: MemoryKey,
  why: Comparing,
  signal: AbortSignal,
): Promise<void> {
  const sent = await resendMemory(parts, fence, key, signal, true);
  const rows = await callSide(parts, parts.replica, signal, (sql) => readVersions(sql, [key]));
  const placed = [...rows.values()].map((row) => ({ ...row, bucket: bucketOf(row) }));
  // What was sent counts, not what the primary has by now: a memory that is written all the time would never be settled.
  const found =
    sent === null ? await callSide(parts, parts.primary, signal, (sql) => readPrimarySide(sql, placed)) : sideOf(sent);
  const wrong = misfits(placed, found);
  if (wrong.length > 0) {
    // For what it sent, `resendMemory` has proven the primary.
    if (sent === null) await parts.proof.assert(fence.epoch, signal);
    const settled = await callSide(parts, parts.replica, signal, (sql) => settleMisfits(sql, fence, wrong, why, true));
    if (settled === null) throw new FencedError();
  }
  // While it was refused, the primary may have been put back.
  await divertLost(parts, fence, [key], signal);
}

function sideOf(sent: ReplicaWrite): PrimarySide {
  return { versions: new Map([[keyText(sent), sent]]), floors: new Map() };
}
