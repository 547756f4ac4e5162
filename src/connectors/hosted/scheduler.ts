import { ConfigurationError } from "../../domain/errors.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import type { Jobs, Schedule } from "../../jobs/jobs.ts";
import { keptRhythm, nextDue, type Rhythm } from "../../jobs/rhythm.ts";
import type { Log } from "../../runtime/log.ts";
import { AFTER_START_MS, Loop } from "../../runtime/loop.ts";
import type { Service, ServiceStatus } from "../../runtime/service.ts";
import type { ConnectorDefinition } from "../definition.ts";
import { CONNECTOR_RUN } from "./connector-kind.ts";
import type { DefinedConnector, Definitions } from "./definitions.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { rhythmOf } from "./schedule-rhythm.ts";
import { listStates, type StateRow } from "./state-statements.ts";
import { scheduleNames } from "./status.ts";

export interface SchedulerParts extends LedgerAccess {
  readonly definitions: Pick<Definitions, "list">;
  readonly jobs: Pick<Jobs, "schedule" | "unschedule" | "schedules">;
  /** Makes the runs. It is started once there is a connector: a deployment without one asks for no runs. */
  readonly runner: Pick<JobRunner, "start" | "stop">;
  /** Whether this node makes runs: then its settings file has the connectors of the deployment. */
  readonly isEnabled: boolean;
  readonly log: Log;
  /** Milliseconds without a success, at least, after which a connector counts as stalled. @default 3_600_000 */
  readonly stalledMinMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Milliseconds between two looks at the definitions, which another node may have changed. */
const LOOK_INTERVAL_MS = 5_000;
const STALLED_MIN_MS = 3_600_000;
/** Intervals without a success after which a connector counts as stalled. */
const STALLED_INTERVALS = 3;
const SCHEDULE_PREFIX = "connector:";

/** Keeps the job schedules of connectors as their definitions and pauses say, and notices those that do not come through. */
export class ConnectorScheduler implements Service {
  readonly name = "connectors";
  readonly #parts: SchedulerParts;
  readonly #loop: Loop;
  /** Connectors that are known to be stalled: each is told of once. */
  readonly #stalled = new Set<string>();
  readonly #invalid = new Map<string, string>();
  readonly #beganAt: number;
  #hadAny = true;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.#beganAt = (parts.now ?? Date.now)();
    this.#loop = new Loop({
      name: this.name,
      intervalMs: LOOK_INTERVAL_MS,
      firstAfterMs: AFTER_START_MS,
      log: parts.log,
      pass: async (signal) => {
        await this.look(signal);
        return false;
      },
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Ends the runs of this node too: they go back into the queue. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#parts.runner.stop();
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** One look, without timers: brings the schedules up to date. */
  async look(signal: AbortSignal): Promise<void> {
    const { definitions, jobs, isEnabled } = this.#parts;
    const all = await definitions.list(signal);
    // What was removed by another node may have left a schedule: it is looked for once more.
    if (all.length === 0 && !this.#hadAny) return;
    // A node that makes no runs may have another settings file: it looks after what the API made.
    const defined = isEnabled ? all : all.filter(({ origin }) => origin === "api");
    const ids = defined.map(({ id }) => id);
    const states = await callLedger(this.#parts, signal, (sql) => listStates(sql, ids));
    const existing = new Map(
      (await jobs.schedules({ signal }))
        .filter(({ name }) => name.startsWith(SCHEDULE_PREFIX))
        .map((schedule) => [schedule.name, schedule]),
    );
    for (const connector of defined) {
      const state = states.find(({ connector: id }) => id === connector.id) ?? null;
      const reason = await this.#reasonAgainst(connector, (definition) =>
        this.#lookAt(connector.id, definition, { state, existing }, signal),
      );
      if (reason === null) this.#invalid.delete(connector.id);
      else this.#tellInvalid(connector.id, reason);
    }
    // Another process, such as a command, may have been started without the settings file: it knows the API's connectors only.
    if (!isEnabled || this.#loop.status().state !== "running") return;
    const known = new Set(all.flatMap(({ id }) => Object.values(scheduleNames(id))));
    for (const name of existing.keys()) if (!known.has(name)) await jobs.unschedule(name, { signal });
    this.#hadAny = all.length > 0;
    if (this.#hadAny) this.#parts.runner.start();
  }

  /** Drops the schedules of a connector that is removed. */
  async drop(id: string, signal: AbortSignal): Promise<void> {
    for (const name of Object.values(scheduleNames(id))) await this.#parts.jobs.unschedule(name, { signal });
  }

  /** Why a connector cannot be scheduled; null: it can. One that cannot is in no other one's way. */
  async #reasonAgainst(
    { definition, invalid }: DefinedConnector,
    look: (definition: ConnectorDefinition) => Promise<void>,
  ): Promise<string | null> {
    if (definition === null) return invalid ?? "";
    try {
      await look(definition);
      return null;
    } catch (error) {
      if (error instanceof ConfigurationError) return error.message;
      throw error;
    }
  }

  async #lookAt(
    id: string,
    definition: ConnectorDefinition,
    { state, existing }: { readonly state: StateRow | null; readonly existing: ReadonlyMap<string, Schedule> },
    signal: AbortSignal,
  ): Promise<void> {
    const isPaused = state?.pausedAt != null;
    const names = scheduleNames(id);
    const wanted = [
      { name: names.changes, scope: "changes", rhythm: isPaused ? null : rhythmOf(definition.schedule) },
      { name: names.full, scope: "full", rhythm: isPaused ? null : rhythmOf(definition.fullSchedule) },
    ];
    for (const { name, scope, rhythm } of wanted) {
      const found = existing.get(name);
      if (rhythm === null) {
        if (found !== undefined) await this.#parts.jobs.unschedule(name, { signal });
      } else if (found === undefined || !isSame(found.rhythm, rhythm)) {
        const input = { connectorId: id, scope };
        await this.#parts.jobs.schedule(
          name,
          { kind: CONNECTOR_RUN, input, rhythm, atOnce: scope === "changes" },
          { signal },
        );
      }
    }
    await this.#lookWhetherStalled(id, isPaused ? null : rhythmOf(definition.schedule), state);
  }

  /** A run of each interval that fails, or one that never ends: an operator looks into either. */
  async #lookWhetherStalled(id: string, rhythm: Rhythm | null, state: StateRow | null): Promise<void> {
    const { log, stalledMinMs = STALLED_MIN_MS, now = Date.now } = this.#parts;
    if (rhythm === null) {
      this.#stalled.delete(id);
      return;
    }
    const since = Math.max(state?.succeededAt ?? 0, this.#beganAt);
    const limitMs = Math.max(stalledMinMs, STALLED_INTERVALS * (await intervalOf(rhythm, now())));
    if (now() - since <= limitMs) {
      this.#stalled.delete(id);
    } else if (!this.#stalled.has(id)) {
      this.#stalled.add(id);
      log.warn({ connector: id, failures: state?.failures ?? 0, withoutSuccessMs: now() - since }, "connector.stalled");
    }
  }

  /** Once for each reason: the reason names no value of the definition. */
  #tellInvalid(id: string, reason: string): void {
    if (this.#invalid.get(id) === reason) return;
    this.#invalid.set(id, reason);
    this.#parts.log.error({ connector: id, reason }, "connector.invalid");
  }
}

function isSame(a: Rhythm, b: Rhythm): boolean {
  const textOf = (rhythm: Rhythm) =>
    JSON.stringify(
      "cron" in rhythm
        ? [rhythm.cron, rhythm.timeZone ?? "UTC", rhythm.jitterMs ?? 0]
        : [rhythm.everyMs, rhythm.jitterMs ?? 0],
    );
  return textOf(a) === textOf(b);
}

/** Milliseconds between the next two times. */
async function intervalOf(rhythm: Rhythm, now: number): Promise<number> {
  if ("everyMs" in rhythm) return rhythm.everyMs;
  const kept = await keptRhythm(rhythm, () => 0);
  const first = await nextDue(kept, null, now);
  return (await nextDue(kept, null, first)) - first;
}
