import type { MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { applyWrites } from "./apply-statements.ts";
import { callSide } from "./call.ts";
import type { Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { readMemoryRows } from "./memory-rows.ts";
import { readPageFacts } from "./primary-statements.ts";
import { replicaWrite } from "./replica-write.ts";

export interface ResendParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly callTimeoutMs: number;
}

/**
 * Sends a memory again, as the primary has it now with all its versions. Only the process that replicates may do so, between two
 * passes: nothing else writes the memory meanwhile. Of one that the primary no longer has nothing is sent.
 * @param isRepair see `applyWrites`. @default false
 * @throws {StoreRefusedError} The replica refuses it.
 */
export async function resendMemory(
  parts: ResendParts,
  fence: Fence,
  key: MemoryKey,
  signal: AbortSignal,
  isRepair = false,
): Promise<void> {
  const writes = await callSide(parts, parts.primary, signal, async (sql) => {
    const rows = await readMemoryRows(sql, key);
    const { later } = await readPageFacts(sql, rows);
    return rows.map((row, index) => replicaWrite(row, later[index]));
  });
  if (writes.length === 0) return;
  const answer = await callSide(parts, parts.replica, signal, (sql) => applyWrites(sql, fence, writes, null, isRepair));
  if (answer === "fenced") throw new FencedError();
}
