import * as z from "zod";
import type { Checker } from "../../consistency/check/checker.ts";
import { CHECK_SCOPES, type ConsistencyReport, DRIFT_KINDS } from "../../consistency/check/report.ts";
import type { RepairReport } from "../../consistency/repair/repair-options.ts";
import type { Repairer } from "../../consistency/repair/repairer.ts";
import { lazily } from "../../domain/lazily.ts";
import { ULID_PATTERN } from "../../domain/ulid-text.ts";
import type { JobKind } from "../job-kind.ts";
import { CONSISTENCY } from "./check.ts";

const inputSchema = lazily(() =>
  z.strictObject({
    checkJobId: z.string().regex(ULID_PATTERN).optional(),
    scope: z.enum(CHECK_SCOPES).default("full"),
    strategy: z.string().min(1).max(64).optional(),
    dryRun: z.boolean().default(false),
  }),
);

const resultSchema = lazily(
  (): z.ZodType<RepairReport> =>
    z.object({
      repaired: z.number(),
      failed: z.number(),
      deferred: z.number(),
      planned: z.number(),
      results: z.record(z.string(), z.boolean()),
      details: z.array(
        z.object({
          namespace: z.string(),
          memoryId: z.string(),
          store: z.string(),
          kind: z.enum(DRIFT_KINDS),
          outcome: z.enum(["repaired", "failed", "deferred", "planned"]),
          note: z.string(),
          strategy: z.string().nullable(),
        }),
      ),
    }),
);

export interface RepairKindParts {
  readonly checker: Pick<Checker, "run">;
  readonly repairer: Pick<Repairer, "run">;
  /** The strategy that decides conflicts if the input names none. */
  readonly defaultStrategy: string;
  /** The report of a check that was a job. @throws when there is none. */
  readonly reportOf: (jobId: string, signal: AbortSignal) => Promise<ConsistencyReport>;
}

/**
 * Repairs what a check found: the one that the input names, or a new one. A repair that was cut short leaves its evidence,
 * which the next one settles, so no other node takes it over.
 */
export function repairKind(parts: RepairKindParts): JobKind<z.infer<ReturnType<typeof inputSchema>>, RepairReport> {
  const { checker, repairer, defaultStrategy, reportOf } = parts;
  return {
    kind: "repair",
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return resultSchema();
    },
    whenLost: "interrupt",
    exclusive: () => CONSISTENCY,
    async run({ input, signal, progress }) {
      const { checkJobId, scope, dryRun, strategy = defaultStrategy } = input;
      const report =
        checkJobId === undefined
          ? await checker.run({ scope, signal, onProgress: (figures) => progress({ ...figures }) })
          : await reportOf(checkJobId, signal);
      return await repairer.run(report, {
        strategy,
        dryRun,
        signal,
        onProgress: (figures) => progress({ ...figures }),
      });
    },
  };
}
