import { NotFoundError } from "../../domain/errors.ts";
import type { Job } from "../../jobs/job.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { RunRecord } from "../state/state.ts";
import { CONNECTOR_RUN, exclusiveOf } from "./connector-kind.ts";
import type { DefinedConnector } from "./definitions.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { type ConnectorRun, keptRun, runOfJob } from "./run-view.ts";
import { listRuns, readRun } from "./state-statements.ts";
import { secondState, sinkStateOf } from "./work.ts";

export interface ConnectorRunsParts extends LedgerAccess {
  readonly jobs: Pick<Jobs, "get" | "getOpen">;
}

/** The runs of connectors, as their rows and their jobs say together. */
export class ConnectorRuns {
  readonly #parts: ConnectorRunsParts;

  constructor(parts: ConnectorRunsParts) {
    this.#parts = parts;
  }

  /** The newest first, one that is queued or running among them. @param before the id of a run: those before it. */
  async list(
    defined: DefinedConnector,
    { before, limit }: { readonly before: string | null; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ConnectorRun[]> {
    const { id } = defined;
    const rows = await callLedger(this.#parts, signal, (sql) => listRuns(sql, id, before, limit));
    const open = await this.open(id, signal);
    const isNew = open !== null && before === null && !rows.some((row) => row.id === open.id);
    const runs: ConnectorRun[] = isNew ? [runOfJob(id, open)] : [];
    for (const row of rows.slice(0, limit - runs.length)) {
      const job = open?.id === row.id ? open : row.state === "running" ? await this.jobOf(id, row.id, signal) : null;
      runs.push(keptRun(id, row, await this.#deliveryOf(defined, row.id, signal), job));
    }
    return runs;
  }

  /** @param job that of the run; null: it is not kept. @throws {NotFoundError} */
  async view(defined: DefinedConnector, runId: string, job: Job | null, signal: AbortSignal): Promise<ConnectorRun> {
    const { id } = defined;
    const row = await callLedger(this.#parts, signal, (sql) => readRun(sql, id, runId));
    if (row !== null) return keptRun(id, row, await this.#deliveryOf(defined, runId, signal), job);
    if (job !== null) return runOfJob(id, job);
    throw new NotFoundError(`connector ${id} has no run ${JSON.stringify(runId)}: it may no longer be kept`);
  }

  /** The job of the run that is queued or goes on. */
  async open(id: string, signal: AbortSignal): Promise<Job | null> {
    return await this.#parts.jobs.getOpen(exclusiveOf(id), { signal });
  }

  /** The job of a run; null: not kept, or of something else. */
  async jobOf(id: string, runId: string, signal: AbortSignal): Promise<Job | null> {
    try {
      const job = await this.#parts.jobs.get(runId, { signal });
      const isOurs = job.kind === CONNECTOR_RUN && (job.input as { connectorId?: string }).connectorId === id;
      return isOurs ? job : null;
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  async #deliveryOf(
    { id, definition }: DefinedConnector,
    runId: string,
    signal: AbortSignal,
  ): Promise<RunRecord | null> {
    if (definition === null || sinkStateOf(id, definition) !== secondState(id)) return null;
    return await callLedger(this.#parts, signal, (sql) => readRun(sql, secondState(id), runId));
  }
}
