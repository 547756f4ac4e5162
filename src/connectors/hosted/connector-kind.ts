import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import type { JobKind } from "../../jobs/job-kind.ts";
import { AUTHENTICATION } from "../run/run-record.ts";
import type { RunCounts } from "../state/state.ts";
import type { Definitions } from "./definitions.ts";
import type { RunOutcome, WorkParts } from "./work.ts";
import { workOf } from "./work-of.ts";

/** The kind of the jobs that are runs of connectors. */
export const CONNECTOR_RUN = "connector";

export const orderSchema = lazily(() =>
  z.strictObject({
    scope: z.enum(["changes", "full", "replay"]).default("changes"),
    force: z.boolean().default(false),
    limit: z.int().min(1).nullable().default(null),
    dryRun: z.boolean().default(false),
    allowMassDelete: z.boolean().default(false),
    letters: z.array(z.string()).max(1_000).nullable().default(null),
  }),
);

const inputSchema = lazily(() => z.strictObject({ connectorId: z.string(), ...orderSchema().shape }));

const runSchema = lazily(() =>
  z.object({
    ...{ id: z.string(), startedAt: z.number(), endedAt: z.number().nullable() },
    state: z.enum(["running", "succeeded", "partial", "failed", "cancelled", "interrupted"]),
    scope: z.enum(["changes", "full", "replay"]),
    counts: z.object({
      ...{ read: z.number(), created: z.number(), updated: z.number(), unchanged: z.number() },
      ...{ deleted: z.number(), erased: z.number(), failed: z.number() },
      // Results of older versions do not have them.
      ...{ media: z.number().default(0), bytes: z.number().default(0) },
    }),
    cursorBefore: z.union([z.number(), z.string()]).nullable(),
    cursorAfter: z.union([z.number(), z.string()]).nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  }),
);

/** What the job of a run came to. */
export const outcomeSchema = lazily(
  (): z.ZodType<RunOutcome> => z.object({ run: runSchema(), delivery: runSchema().nullable() }),
);

export interface ConnectorKindParts {
  readonly definitions: Pick<Definitions, "effective">;
  /** What runs work with, beside their connector and their order. */
  readonly work: Omit<WorkParts, "connectorId" | "definition" | "order" | "runId" | "onProgress">;
  /** Told of each run that has ended by itself. */
  readonly onEnded: (connectorId: string, outcome: RunOutcome, isDryRun: boolean) => void;
  /** The service does not take the key: no run is made until an operator has acted. */
  readonly stop: (connectorId: string) => Promise<void>;
}

/** The value that at most one open job has: one run per connector, on whichever node. */
export function exclusiveOf(connectorId: string): string {
  return `connector:${connectorId}`;
}

/** Runs of connectors. A run whose node is lost is taken up by another one, from what was kept page by page. */
export function connectorKind(parts: ConnectorKindParts): JobKind<z.infer<ReturnType<typeof inputSchema>>, RunOutcome> {
  const { definitions, work, onEnded, stop } = parts;
  return {
    kind: CONNECTOR_RUN,
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return outcomeSchema();
    },
    whenLost: "resume",
    exclusive: ({ connectorId }) => exclusiveOf(connectorId),
    async run({ jobId, input: { connectorId, ...order }, signal, progress }) {
      const definition = await definitions.effective(connectorId, signal);
      const onProgress = (counts: RunCounts) => progress({ ...counts });
      const { run } = await workOf({ ...work, connectorId, definition, order, runId: jobId, onProgress });
      const outcome = await run(signal);
      // The run has kept what it did. The job must end as cancelled, or go back into the queue where its node stops.
      signal.throwIfAborted();
      const halves = [outcome.run, outcome.delivery].filter((half) => half !== null);
      if (halves.some(({ error }) => error?.code === AUTHENTICATION)) await stop(connectorId);
      onEnded(connectorId, outcome, order.dryRun);
      return outcome;
    },
  };
}
