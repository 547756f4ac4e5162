import * as z from "zod";
import type { ConsistencyReport } from "../consistency/check/report.ts";
import { CONFLICT_KINDS } from "../consistency/check/report.ts";
import type { RepairReport } from "../consistency/repair/repair-options.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { lazily } from "../domain/lazily.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { ChangeEvent } from "../feed/change-options.ts";
import { INTERRUPTED } from "../jobs/job.ts";
import { Listeners } from "../runtime/listeners.ts";
import type { Log } from "../runtime/log.ts";
import type { HealthState } from "../runtime/store-health.ts";

/** A check of this node, or a slice of its rolling check, found that stores differ from the ledger. */
export interface DriftNotice extends Pick<ConsistencyReport, "findings"> {
  readonly scope: ConsistencyReport["scope"] | "sweep";
}

/** Two sides that may both be right, met by a repair or an import. */
export interface ConflictNotice extends MemoryKey {
  /** The store that differs from the ledger; `import` for an imported record. */
  readonly source: StoreId;
  readonly strategy: string;
  /** `pending`: it awaits a decision. */
  readonly outcome: "resolved" | "pending" | "failed";
  /** The decision, or why there is none. */
  readonly note: string;
}

/** A store's health, as its checks see it, is another one than before. */
export interface HealthNotice {
  readonly store: StoreId;
  readonly from: HealthState;
  readonly to: HealthState;
  /** What is wrong; null when healthy. */
  readonly reason: string | null;
}

/** Committed changes that a store lacks, and why. */
export interface BacklogNotice {
  readonly store: StoreId;
  /**
   * `queued`: a write did not reach the store, or left it out. `waiting`: the store did not answer when its backlog was worked off.
   * `refused`: it refused memories, which are tried again. `dead`: it refused them for good; `backlog.retry` tries again.
   */
  readonly state: "queued" | "waiting" | "refused" | "dead";
  readonly memories: number;
  readonly error: string;
}

/** A job failed on this node, or jobs of a node that is gone were ended by this one. What failed says the job itself. */
export interface RunFailedNotice {
  /** Null: jobs of a node that is gone. */
  readonly jobId: string | null;
  readonly kind: string | null;
  /** That of the error; `INTERRUPTED` where the node is gone. */
  readonly code: string;
  readonly jobs: number;
  /** Of a run of a connector: its id. */
  readonly connector?: string;
}

/** A run of a connector on this node left items undone: they are in its dead letters, or it did not read everything. */
export interface RunPartialNotice {
  readonly connector: string;
  readonly runId: string;
  /** Items that went to the dead letters. */
  readonly failed: number;
}

/** A connector with a schedule has had no run that ended well for three of its intervals, and an hour. */
export interface ConnectorStalledNotice {
  readonly connector: string;
  /** Runs in a row that failed. */
  readonly failures: number;
  readonly withoutSuccessMs: number;
}

/** What `sync.on` tells of, by name. docs/events.md has it beside the events of the log. */
export interface SynchronizerEvents {
  drift: DriftNotice;
  conflict: ConflictNotice;
  /** A run of repairs changed something, or tried to. */
  repair: RepairReport;
  health: HealthNotice;
  backlog: BacklogNotice;
  "run.failed": RunFailedNotice;
  "run.partial": RunPartialNotice;
  "connector.stalled": ConnectorStalledNotice;
  /** A change of any node, from now on, as `sync.changes()` tells it. */
  change: ChangeEvent;
}

export type EventName = keyof SynchronizerEvents;

/**
 * Called for events of one name, one at a time, in order, after the code that they happened in has gone on. What it throws is
 * logged. A listener of `change` pulls; one of another name that is behind by more than 1,000 events misses the oldest, and
 * the log says so.
 */
export type EventListener<Name extends EventName> = (event: SynchronizerEvents[Name]) => void | Promise<void>;

const NAMES: Readonly<Record<keyof SynchronizerEvents, true>> = {
  drift: true,
  conflict: true,
  repair: true,
  health: true,
  backlog: true,
  "run.failed": true,
  "run.partial": true,
  "connector.stalled": true,
  change: true,
};
/** Names that `sync.on` takes. */
export const EVENT_NAMES = Object.keys(NAMES) as readonly (keyof SynchronizerEvents)[];

const storeFacts = lazily(() => ({ store: z.string(), error: z.string() }));
const healthChange = lazily(() => {
  const state = z.enum(["healthy", "degraded", "down"]);
  return z.object({ store: z.string(), from: state, to: state, reason: z.string().nullable() });
});
const refused = lazily(() => z.object({ ...storeFacts(), dead: z.boolean() }));
const away = lazily(() => z.object({ ...storeFacts(), memories: z.number() }));
const conflict = lazily(() =>
  z.object({
    namespace: z.string(),
    memoryId: z.string(),
    strategy: z.string(),
    note: z
      .string()
      .nullish()
      .transform((note) => note ?? ""),
  }),
);

const failedRun = lazily(() => z.object({ connector: z.string(), runId: z.string(), code: z.string() }));
const partialRun = lazily(() => z.object({ connector: z.string(), runId: z.string(), failed: z.number() }));
const stalled = lazily(() => z.object({ connector: z.string(), failures: z.number(), withoutSuccessMs: z.number() }));

type LoggedName = "health" | "backlog" | "conflict" | "run.failed" | "run.partial" | "connector.stalled";
type LoggedNotice = { [Name in LoggedName]: [Name, SynchronizerEvents[Name]] }[LoggedName];

/** Events of the log that notices are made of, so that each stands in one place of the code. */
const FROM_LOG: Readonly<Record<string, (fields: object) => LoggedNotice>> = {
  "health.changed": (fields) => ["health", healthChange().parse(fields)],
  "write.queued": (fields) => ["backlog", { state: "queued", ...away().parse(fields) }],
  "backlog.store_away": (fields) => ["backlog", { state: "waiting", ...away().parse(fields) }],
  "feed.memories_refused": (fields) => ["backlog", { state: "refused", ...away().parse(fields) }],
  "backlog.memory_refused": (fields) => {
    const { dead, ...facts } = refused().parse(fields);
    return ["backlog", { state: dead ? "dead" : "refused", memories: 1, ...facts }];
  },
  "job.failed": (fields) => [
    "run.failed",
    { jobs: 1, ...z.object({ jobId: z.string(), kind: z.string(), code: z.string() }).parse(fields) },
  ],
  "job.lost_jobs_ended": (fields) => [
    "run.failed",
    { jobId: null, kind: null, code: INTERRUPTED, jobs: z.object({ jobs: z.number() }).parse(fields).jobs },
  ],
  "connector.run_failed": (fields) => {
    const { connector, runId, code } = failedRun().parse(fields);
    return ["run.failed", { jobId: runId, kind: "connector", code, jobs: 1, connector }];
  },
  "connector.run_partial": (fields) => ["run.partial", partialRun().parse(fields)],
  "connector.stalled": (fields) => ["connector.stalled", stalled().parse(fields)],
  "import.conflict_deferred": (fields) => [
    "conflict",
    { source: "import", outcome: "pending", ...conflict().parse(fields) },
  ],
  "import.conflict_resolved": (fields) => [
    "conflict",
    { source: "import", outcome: "resolved", ...conflict().parse(fields) },
  ],
};

/** Tells listeners of what happens. They get it after the code that it happened in has gone on. */
export class Notifications {
  readonly listeners: Listeners<SynchronizerEvents>;
  /** Passes everything on to the log that was given, and makes notices of some of it. */
  readonly log: Log;

  constructor(log: Log) {
    this.listeners = new Listeners(log);
    const at =
      (level: keyof Log) =>
      (fields: object, event: string): void => {
        log[level](fields, event);
        const read = FROM_LOG[event];
        if (read !== undefined) this.#notify(log, event, () => read(fields));
      };
    this.log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  }

  drift({ scope, findings }: DriftNotice): void {
    if (findings.length > 0) this.listeners.emit("drift", { scope, findings });
  }

  /** A repair without findings is no news: the background work makes one after each round of its sweep. */
  repair(report: RepairReport): void {
    if (report.repaired + report.failed + report.deferred + report.planned === 0) return;
    this.listeners.emit("repair", report);
    for (const { namespace, memoryId, store, kind, strategy, outcome, note } of report.details) {
      if (strategy === null || !CONFLICT_KINDS.has(kind)) continue;
      const end = ({ repaired: "resolved", deferred: "pending", planned: "pending", failed: "failed" } as const)[
        outcome
      ];
      this.listeners.emit("conflict", { namespace, memoryId, source: store, strategy, outcome: end, note });
    }
  }

  /** A notice that can't be made is a defect, and no reason for the logging code to fail. */
  #notify(log: Log, event: string, read: () => LoggedNotice): void {
    try {
      const [name, notice] = read();
      this.listeners.emit(name, notice as never);
    } catch (error) {
      log.error({ name: event, error: (error as Error).message }, "listener.notice_malformed");
    }
  }
}
