import { NotFoundError } from "../../domain/errors.ts";
import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import type { Job } from "../../jobs/job.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { readJob, readOpenExclusive } from "../../ledger/job-statements.ts";
import type { RunRecord } from "../state/state.ts";
import { CONNECTOR_RUN, exclusiveOf } from "./connector-kind.ts";
import type { DefinedConnector } from "./definitions.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { type ConnectorRun, keptRun, runOfJob } from "./run-view.ts";
import { listRuns, readRun } from "./state-statements.ts";
import { secondState, sinkStateOf } from "./work.ts";

export interface ConnectorRunsParts extends LedgerAccess {
  readonly jobs: Pick<Jobs, "getOpen" | "latest">;
}

/** Which runs of a list: at most so many, before the one that is named; null: from the newest on. */
interface RunPage {
  readonly before: string | null;
  readonly limit: number;
}

/** The runs of connectors, as their rows and their jobs say together. */
export class ConnectorRuns {
  readonly #parts: ConnectorRunsParts;

  constructor(parts: ConnectorRunsParts) {
    this.#parts = parts;
  }

  /** The newest first, one that is queued or running among them. */
  async list(defined: DefinedConnector, page: RunPage, signal: AbortSignal): Promise<ConnectorRun[]> {
    return await callLedger(this.#parts, signal, (sql) => this.listOn(sql, defined, page));
  }

  /** As `list`, on a connection that the caller has. */
  async listOn(sql: Sql, defined: DefinedConnector, { before, limit }: RunPage): Promise<ConnectorRun[]> {
    const { id } = defined;
    // In one flight, the job first: a run's row ends before its job does, and must not be read while it goes on and the job after both.
    const [openRow, rows] = await Promise.all([
      readOpenExclusive(sql, exclusiveOf(id)),
      listRuns(sql, id, before, limit),
    ]);
    const open = openRow === null ? null : this.#parts.jobs.latest(openRow);
    const isNew = open !== null && before === null && !rows.some((row) => row.id === open.id);
    const runs: ConnectorRun[] = isNew ? [runOfJob(id, open)] : [];
    for (const row of rows.slice(0, limit - runs.length)) {
      const job = open?.id === row.id ? open : row.state === "running" ? await this.#jobOn(sql, id, row.id) : null;
      runs.push(keptRun(id, row, await deliveryOn(sql, defined, row.id), job));
    }
    return runs;
  }

  /** @param job that of the run; null: it is not kept. @throws {NotFoundError} */
  async view(defined: DefinedConnector, runId: string, job: Job | null, signal: AbortSignal): Promise<ConnectorRun> {
    const { id } = defined;
    const [row, delivery] = await callLedger(this.#parts, signal, (sql) =>
      Promise.all([readRun(sql, id, runId), deliveryOn(sql, defined, runId)]),
    );
    if (row !== null) return keptRun(id, row, delivery, job);
    if (job !== null) return runOfJob(id, job);
    throw new NotFoundError(`connector ${id} has no run ${JSON.stringify(runId)}: it may no longer be kept`);
  }

  /** The job of the run that is queued or goes on. */
  async open(id: string, signal: AbortSignal): Promise<Job | null> {
    return await this.#parts.jobs.getOpen(exclusiveOf(id), { signal });
  }

  /** The job of a run; null: not kept, or of something else. */
  async jobOf(id: string, runId: string, signal: AbortSignal): Promise<Job | null> {
    return await callLedger(this.#parts, signal, (sql) => this.#jobOn(sql, id, runId));
  }

  async #jobOn(sql: Sql, id: string, runId: string): Promise<Job | null> {
    const row = await readJob(sql, runId);
    if (row === null) return null;
    const job = this.#parts.jobs.latest(row);
    return job.kind === CONNECTOR_RUN && (job.input as { connectorId?: string }).connectorId === id ? job : null;
  }
}

async function deliveryOn(sql: Sql, { id, definition }: DefinedConnector, runId: string): Promise<RunRecord | null> {
  if (definition === null || sinkStateOf(id, definition) !== secondState(id)) return null;
  return await readRun(sql, secondState(id), runId);
}
