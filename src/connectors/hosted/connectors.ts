import { assertWhole } from "../../domain/assert-whole.ts";
import { QueueFullError, ValidationError } from "../../domain/errors.ts";
import { DEFAULT_NAMESPACE } from "../../domain/keys.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { KeptMedia } from "../media/media-folder.ts";
import type { ConnectorState } from "../state/state.ts";
import type {
  ChosenLetters,
  ConnectorCall,
  LettersOptions,
  MediaOptions,
  ReplayOptions,
  RunCall,
  RunsOptions,
  TriggerOptions,
} from "./connector-call.ts";
import { CONNECTOR_RUN } from "./connector-kind.ts";
import { ConnectorLetters, type LetterPage } from "./connector-letters.ts";
import { findMedia } from "./connector-media.ts";
import { ConnectorRuns } from "./connector-runs.ts";
import type { DefinedConnector, Definitions } from "./definitions.ts";
import { callLedger } from "./ledger-call.ts";
import { LedgerState } from "./ledger-state.ts";
import { type ConnectorRun, runOfJob } from "./run-view.ts";
import { ConnectorRunningError } from "./running-error.ts";
import type { ConnectorScheduler } from "./scheduler.ts";
import * as states from "./state-statements.ts";
import { type ConnectorStatus, statusOf } from "./status.ts";
import { NO_ORDER, secondState, sourceStateOf, type WorkParts } from "./work.ts";
import { workOf } from "./work-of.ts";

export interface ConnectorsParts {
  readonly definitions: Definitions;
  readonly jobs: Jobs;
  readonly scheduler: Pick<ConnectorScheduler, "look" | "drop">;
  readonly work: Omit<WorkParts, "connectorId" | "definition" | "order" | "runId" | "onProgress">;
  readonly run: RunCall;
}

const LIST_MAX = 1_000;

/** Connectors to other services: their definitions, their runs, and what operators do about them. */
export class Connectors {
  readonly #parts: ConnectorsParts;
  readonly #letters: ConnectorLetters;
  readonly #runs: ConnectorRuns;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: ConnectorsParts) {
    this.#parts = parts;
    this.#letters = new ConnectorLetters(parts.work);
    this.#runs = new ConnectorRuns({ ...parts.work, jobs: parts.jobs });
  }

  /** All connectors, in the order of their ids. */
  async list(call: ConnectorCall = {}): Promise<DefinedConnector[]> {
    return await this.#parts.run("connectors.list", call, (signal) => this.#parts.definitions.list(signal));
  }

  /** @throws {NotFoundError} */
  async get(id: string, call: ConnectorCall = {}): Promise<DefinedConnector> {
    return await this.#parts.run("connectors.get", call, (signal) => this.#parts.definitions.get(id, signal));
  }

  /** Checks the definitions of the settings file. @throws {ConfigurationError} */
  async assertSettings(): Promise<void> {
    await this.#parts.definitions.assertSettings();
  }

  /** @throws {ValidationError} {ConfigurationError} */
  async create(id: string, definition: unknown, call: ConnectorCall = {}): Promise<DefinedConnector> {
    return await this.#parts.run("connectors.create", call, async (signal) => {
      const created = await this.#parts.definitions.create(id, definition, signal);
      await this.#parts.scheduler.look(signal);
      return created;
    });
  }

  /** @throws {NotFoundError} {ValidationError} {ConfigurationError} also where it is not at `revision` any more. */
  async replace(
    id: string,
    definition: unknown,
    options: ConnectorCall & { readonly revision?: number | undefined } = {},
  ): Promise<DefinedConnector> {
    return await this.#parts.run("connectors.replace", options, async (signal) => {
      const replaced = await this.#parts.definitions.replace(id, definition, options.revision ?? null, signal);
      await this.#parts.scheduler.look(signal);
      return replaced;
    });
  }

  /** Removes a connector with what is known of it. The memories stay, and what a service was sent. @throws {ConnectorRunningError} */
  async remove(id: string, call: ConnectorCall = {}): Promise<void> {
    await this.#parts.run("connectors.remove", call, async (signal) => {
      await this.#assertIdle(id, signal);
      await this.#parts.definitions.remove(id, signal);
      await this.#parts.scheduler.drop(id, signal);
    });
  }

  /** How all connectors are. */
  async statuses(call: ConnectorCall = {}): Promise<ConnectorStatus[]> {
    return await this.#parts.run("connectors.statuses", call, async (signal) =>
      this.#statusOf(await this.#parts.definitions.list(signal), signal),
    );
  }

  /** @throws {NotFoundError} */
  async status(id: string, call: ConnectorCall = {}): Promise<ConnectorStatus> {
    return await this.#parts.run("connectors.status", call, async (signal) => {
      const [status] = await this.#statusOf([await this.#parts.definitions.get(id, signal)], signal);
      return status as ConnectorStatus;
    });
  }

  /**
   * Makes a run. @throws {ConnectorRunningError} One goes on, or waits for its turn. @throws {ConfigurationError} The definition is
   * not valid. @throws {QueueFullError} @throws {NotFoundError}
   */
  async trigger(id: string, options: TriggerOptions = {}): Promise<ConnectorRun> {
    const { signal: _, timeoutMs: __, here = false, ...order } = options;
    return await this.#parts.run("connectors.trigger", options, async (signal) => {
      const definition = await this.#parts.definitions.effective(id, signal);
      if (order.dryRun === true && sourceStateOf(id, definition) === null)
        throw new ValidationError("dryRun", "a delivery has none: the service alone knows what it takes");
      const begin = here ? "start" : "enqueue";
      const started = await this.#parts.jobs[begin](CONNECTOR_RUN, { connectorId: id, ...order }, { signal });
      if (started.outcome === "started") return runOfJob(id, started.job);
      if (started.outcome === "running") throw new ConnectorRunningError(id, started.job.id);
      throw new QueueFullError(0, 0, "as many jobs are open, or run here, as may at a time: wait for one to end");
    });
  }

  /** Reads everything again, and finds what no reading by time finds. @throws as `trigger` */
  async backfill(id: string, options: Omit<TriggerOptions, "scope"> = {}): Promise<ConnectorRun> {
    return await this.trigger(id, { ...options, scope: "full" });
  }

  /** No run of the schedule is made until `resume`. A run that goes on goes on. Safe twice. @throws {NotFoundError} */
  async pause(id: string, call: ConnectorCall = {}): Promise<ConnectorStatus> {
    return await this.#setPaused("connectors.pause", id, "operator", call);
  }

  async resume(id: string, call: ConnectorCall = {}): Promise<ConnectorStatus> {
    return await this.#setPaused("connectors.resume", id, null, call);
  }

  /** Ends the run that goes on, on whichever node, and waits until it has. What it did stays. @returns null: there was none. */
  async cancel(id: string, call: ConnectorCall = {}): Promise<ConnectorRun | null> {
    return await this.#parts.run("connectors.cancel", call, async (signal) => {
      const defined = await this.#parts.definitions.get(id, signal);
      const open = await this.#runs.open(id, signal);
      if (open === null) return null;
      const job = await this.#parts.jobs.cancel(open.id, { signal });
      return await this.#runs.view(defined, job.id, job, signal);
    });
  }

  /** The next run reads from the start, and compares. @throws {ConnectorRunningError} {NotFoundError} */
  async reset(id: string, call: ConnectorCall = {}): Promise<ConnectorStatus> {
    return await this.#parts.run("connectors.reset", call, async (signal) => {
      const defined = await this.#parts.definitions.get(id, signal);
      await this.#assertIdle(id, signal);
      for (const state of [id, secondState(id)]) {
        const runId = await callLedger(this.#parts.work, signal, (sql) => states.resetState(sql, state));
        if (runId !== null) throw new ConnectorRunningError(id, runId);
      }
      const [status] = await this.#statusOf([defined], signal);
      return status as ConnectorStatus;
    });
  }

  /** Runs that are kept, the newest first, one that is queued or running among them. */
  async runs(id: string, options: RunsOptions = {}): Promise<ConnectorRun[]> {
    const { before = null, limit = 20 } = options;
    assertWhole("limit", limit, 1, LIST_MAX);
    return await this.#parts.run("connectors.runs", options, async (signal) =>
      this.#runs.list(await this.#parts.definitions.get(id, signal), { before, limit }, signal),
    );
  }

  /** @throws {NotFoundError} Unknown, or not kept any more. */
  async run(id: string, runId: string, call: ConnectorCall = {}): Promise<ConnectorRun> {
    return await this.#parts.run("connectors.run", call, async (signal) => {
      const defined = await this.#parts.definitions.get(id, signal);
      return await this.#runs.view(defined, runId, await this.#runs.jobOf(id, runId, signal), signal);
    });
  }

  /** A run as it is, then each change, until it has ended or `signal` fires. @throws {NotFoundError} */
  async *watch(id: string, runId: string, { signal = never() }: ConnectorCall = {}): AsyncGenerator<ConnectorRun> {
    const job = await this.#runs.jobOf(id, runId, signal);
    if (job === null) {
      yield await this.run(id, runId, { signal });
      return;
    }
    const defined = await this.#parts.definitions.get(id, signal);
    for await (const each of this.#parts.jobs.changes(runId, { signal })) {
      yield await this.#runs.view(defined, runId, each, signal);
    }
  }

  /** Proves that the services answer and take the keys. @throws {ServiceError} {ConfigurationError} {NotFoundError} */
  async test(id: string, call: ConnectorCall = {}): Promise<void> {
    await this.#parts.run("connectors.test", call, async (signal) => {
      const definition = await this.#parts.definitions.effective(id, signal);
      const nothing = { order: NO_ORDER, runId: "", onProgress: () => undefined };
      const { test } = await workOf({ ...this.#parts.work, ...nothing, connectorId: id, definition });
      await test(signal);
    });
  }

  /**
   * Lists the dead letters: items that could not be stored here, and memories that the other service could not process.
   * @throws {ValidationError}
   */
  async deadLetters(id: string, options: LettersOptions = {}): Promise<LetterPage> {
    const { cursor = null, limit = 100 } = options;
    assertWhole("limit", limit, 1, LIST_MAX);
    return await this.#parts.run("connectors.deadLetters", options, async (signal) => {
      const definition = await this.#parts.definitions.effective(id, signal);
      return await this.#letters.list(id, definition, { cursor, limit }, signal);
    });
  }

  /** Makes a run that tries dead letters again. @throws as `trigger` */
  async replay(id: string, options: ReplayOptions = {}): Promise<ConnectorRun> {
    const { letters, ...call } = options;
    return await this.trigger(id, { ...call, scope: "replay", letters: letters ?? null });
  }

  /** Forgets dead letters: these items, or memories, are done without. @returns how many. @throws {ConnectorRunningError} */
  async drop(id: string, options: ChosenLetters = {}): Promise<number> {
    return await this.#parts.run("connectors.drop", options, async (signal) => {
      const definition = await this.#parts.definitions.effective(id, signal);
      await this.#assertIdle(id, signal);
      return await this.#letters.drop(id, definition, options.letters ?? null, signal);
    });
  }

  /**
   * A file that the connector fetched, by the SHA-256 of its content, also where the connector was removed since.
   * @throws {NotFoundError} There is none, or no memory of `namespaces` refers to it in a version that is kept.
   */
  async media(id: string, sha256: string, options: MediaOptions = {}): Promise<KeptMedia> {
    const { namespaces = null } = options;
    return await this.#parts.run("connectors.media", options, async (signal) =>
      findMedia(this.#parts.work, { connectorId: id, sha256 }, namespaces, signal),
    );
  }

  /**
   * Opens the state of a connector for reading: the items of its source (none without one) and its runs. Works also where the
   * definition is not valid on this node, e.g. because a variable is set elsewhere. @throws {NotFoundError}
   */
  async sourceState(id: string, call: ConnectorCall = {}): Promise<Pick<ConnectorState, "inState" | "runs" | "close">> {
    return await this.#parts.run("connectors.sourceState", call, async (signal) => {
      await this.#parts.definitions.get(id, signal);
      const { postgres, callTimeoutMs } = this.#parts.work;
      return new LedgerState(postgres, { connector: id, namespace: DEFAULT_NAMESPACE, callTimeoutMs });
    });
  }

  async #setPaused(
    name: string,
    id: string,
    because: "operator" | null,
    call: ConnectorCall,
  ): Promise<ConnectorStatus> {
    return await this.#parts.run(name, call, async (signal) => {
      const defined = await this.#parts.definitions.get(id, signal);
      await callLedger(this.#parts.work, signal, (sql) => states.pauseState(sql, id, because));
      await this.#parts.scheduler.look(signal);
      const [status] = await this.#statusOf([defined], signal);
      return status as ConnectorStatus;
    });
  }

  async #statusOf(connectors: readonly DefinedConnector[], signal: AbortSignal): Promise<ConnectorStatus[]> {
    const { postgres, callTimeoutMs } = this.#parts.work;
    return await statusOf(
      {
        ...{ postgres, callTimeoutMs },
        lastRun: async (sql, defined) => (await this.#runs.listOn(sql, defined, { before: null, limit: 1 }))[0] ?? null,
      },
      connectors,
      signal,
    );
  }

  async #assertIdle(id: string, signal: AbortSignal): Promise<void> {
    const open = await this.#runs.open(id, signal);
    if (open !== null) throw new ConnectorRunningError(id, open.id);
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
}
