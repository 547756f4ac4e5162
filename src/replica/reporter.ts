import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import type { NamedCursors } from "../feed/named-cursors.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { type ReplicaCursor, readReplicaCursor } from "./cursor-statements.ts";
import { hintName } from "./hint.ts";
import { countLetters } from "./letter-statements.ts";
import { isReplicationPaused, LAG_CHANGES_MAX, readLag } from "./primary-statements.ts";
import type { Replication } from "./replication.ts";
import type { ReplicaPhase, ReplicaReport } from "./report.ts";

export interface ReporterParts {
  readonly name: string;
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly cursors: Pick<NamedCursors, "read">;
  readonly replication: Pick<Replication, "state" | "reason">;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Milliseconds that a report waits for the replica. */
const REPLICA_MS = 1_000;
const DIVERGED_MAX = 100_000;

interface Side {
  readonly cursor: ReplicaCursor | null;
  readonly diverged: number;
}

/** Says how replication is. A replica that is away is reported as that. */
export class Reporter {
  readonly #parts: ReporterParts;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  /** @throws {StoreUnavailableError} The primary is away. */
  async report(signal: AbortSignal): Promise<ReplicaReport> {
    const { name, primary, cursors, replication, callTimeoutMs } = this.#parts;
    const side = await this.#readReplica(signal);
    const hint = await cursors.read(hintName(name), signal);
    const place = side?.cursor?.cursor ?? (hint?.isCurrent ? hint.cursor : null);
    const [isPaused, deadLetters, lag] = await withDeadline(callTimeoutMs, signal, (deadline) =>
      primary.use(
        deadline,
        async ({ sql }) =>
          [
            await isReplicationPaused(sql),
            await countLetters(sql, name),
            place === null ? null : await readLag(sql, place, LAG_CHANGES_MAX),
          ] as const,
      ),
    );
    return {
      name,
      state: replication.state,
      reason: replication.reason,
      isUp: side !== null,
      isPaused,
      leader: hint?.holder ?? null,
      phase: side?.cursor == null ? null : phaseOf(side.cursor),
      epoch: side?.cursor?.epoch ?? null,
      cursor: place,
      movedAt: side?.cursor?.movedAt ?? null,
      lag,
      deadLetters,
      diverged: side?.diverged ?? null,
    };
  }

  /** Null: it gives no answer, or has no schema yet. */
  async #readReplica(signal: AbortSignal): Promise<Side | null> {
    try {
      return await withDeadline(REPLICA_MS, signal, (deadline) =>
        this.#parts.replica.use(deadline, async ({ sql }) => ({
          cursor: await readReplicaCursor(sql),
          diverged: await countDiverged(sql),
        })),
      );
    } catch (error) {
      signal.throwIfAborted();
      this.#parts.log.debug({ error: (error as Error).message }, "replica.not_read");
      return null;
    }
  }
}

export function phaseOf({ epoch, compares }: Pick<ReplicaCursor, "epoch" | "compares">): ReplicaPhase {
  if (epoch !== null) return "following";
  return compares === null ? "filling" : "comparing";
}

async function countDiverged(sql: Sql): Promise<number> {
  const [row] = await sql<{ diverged: number }[]>`
    select count(*)::int as diverged from (select from mnemosync.diverged limit ${DIVERGED_MAX}) d`;
  return row?.diverged ?? 0;
}
