import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { LossWindow } from "./loss-window.ts";
import { mayBeLost, mayBeStale, staleForMs } from "./loss-window.ts";
import type { CallRecord, WentBack } from "./messages.ts";

/** What the histories say against what the ledger holds. */
export interface Verdict {
  readonly writes: number;
  readonly reads: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  /** Milliseconds after the ledger had gone back at which a read was last shown what it had lost. */
  readonly staleMsMax: number;
}

interface LedgerRow {
  memory_id: string;
  version: number;
  checksum: string | null;
  marker: string | null;
}

/** Violations shown of one kind: one alone is a failure, the rest is for finding out why. */
const SHOWN_MAX = 10;

/**
 * Checks every acknowledged call against the ledger's complete history:
 * - what was acknowledged as written is there, in the version and with the checksum that were told;
 * - what was told to have failed is nowhere;
 * - versions of a memory run 1, 2, 3 … without a gap;
 * - what was read had been committed;
 * - no reader was shown an older version than before, unless that one was lost and could still be shown then: a memory that was
 *   deleted or away meanwhile is read again long after its loss.
 * @param windows times in which a fault took acknowledged writes back; what they excuse is counted as `excused`.
 * @param readWindows times in which reads may have seen commits that were never acknowledged and are lost.
 * @param wentBack reads that were shown an older version than the same reader before, at a time that excuses none.
 */
export async function verify(
  postgresUrl: string,
  historyFiles: readonly string[],
  windows: readonly LossWindow[] = [],
  readWindows: readonly LossWindow[] = [],
  wentBack: readonly WentBack[] = [],
): Promise<Verdict> {
  const calls = historyFiles.flatMap(readHistory);
  const rows = await readLedger(postgresUrl);
  const byVersion = new Map(rows.map((row) => [`${row.memory_id} ${row.version}`, row]));
  const markers = new Set(rows.map((row) => row.marker));
  const violations: string[] = [];
  const complain = (text: string): void => {
    if (violations.length < SHOWN_MAX) violations.push(text);
  };
  const byStatus: Record<string, number> = {};
  let staleMsMax = 0;
  const excuse = (what: string): void => {
    byStatus[`excused ${what}`] = (byStatus[`excused ${what}`] ?? 0) + 1;
  };
  for (const call of calls) {
    const label = call.code === null ? call.status : `${call.status} ${call.code}`;
    byStatus[`${call.kind} ${label}`] = (byStatus[`${call.kind} ${label}`] ?? 0) + 1;
    const row = byVersion.get(`${call.memoryId} ${call.version}`);
    if (call.status === "synced" || call.status === "degraded") {
      if (row === undefined || row.checksum !== call.checksum || (call.marker !== null && row.marker !== call.marker)) {
        if (mayBeLost(call, windows)) excuse("lost");
        else complain(`lost: ${JSON.stringify(call)}, the ledger has ${JSON.stringify(row)}`);
      }
    }
    if (call.status === "found" && row?.checksum !== call.checksum) {
      const allWindows = [...windows, ...readWindows];
      if (mayBeStale(call, allWindows)) {
        excuse("read");
        staleMsMax = Math.max(staleMsMax, staleForMs(call, allWindows));
      } else complain(`read but never committed: ${JSON.stringify(call)}, the ledger has ${JSON.stringify(row)}`);
    }
    if (
      call.kind === "write" &&
      call.status === "failed" &&
      isCertain(call.code) &&
      call.marker !== null &&
      markers.has(call.marker)
    ) {
      complain(`told to have failed, yet written: ${JSON.stringify(call)}`);
    }
  }
  for (const { memoryId, version, source, endedAt, before } of wentBack) {
    const isLost = byVersion.get(`${memoryId} ${before.version}`)?.checksum !== before.checksum;
    if (isLost && mayBeStale(before, [...windows, ...readWindows])) excuse("older after lost");
    else complain(`${memoryId}: version ${version} after ${before.version} (from ${source}) at ${endedAt}`);
  }
  for (const gap of findGaps(rows)) complain(gap);
  return {
    writes: calls.filter((call) => call.kind === "write").length,
    reads: calls.filter((call) => call.kind === "read").length,
    byStatus,
    violations,
    staleMsMax,
  };
}

/** Errors that say that nothing was written. The others leave it open, and say so. */
function isCertain(code: string | null): boolean {
  return code !== "COMMIT_OUTCOME_UNKNOWN" && code !== "DEADLINE_EXCEEDED";
}

/** A killed node may leave half a line at the end. */
function readHistory(file: string): CallRecord[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as CallRecord];
    } catch {
      return [];
    }
  });
}

async function readLedger(postgresUrl: string): Promise<LedgerRow[]> {
  const sql = postgres(postgresUrl, { max: 1 });
  try {
    return await sql<LedgerRow[]>`
      select v.memory_id, v.version::float8 as version, v.checksum, m.document->'metadata'->>'marker' as marker
      from mnemosync.memory_versions v left join mnemosync.memory_bodies m using (namespace, memory_id, version)
      union all
      select memory_id, version::float8, checksum, document->'metadata'->>'marker' from mnemosync.memory_history`;
  } finally {
    await sql.end();
  }
}

function findGaps(rows: readonly LedgerRow[]): string[] {
  const versions = new Map<string, number[]>();
  for (const row of rows) versions.set(row.memory_id, [...(versions.get(row.memory_id) ?? []), row.version]);
  return [...versions].flatMap(([memoryId, found]) => {
    const sorted = found.toSorted((a, b) => a - b);
    const wrong = sorted.findIndex((version, index) => version !== index + 1);
    return wrong < 0
      ? []
      : [`versions of ${memoryId} are not 1 … ${sorted.length}: ${sorted[wrong]} stands at ${wrong + 1}`];
  });
}
