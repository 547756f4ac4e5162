import * as z from "zod";
import type { Checker } from "../../consistency/check/checker.ts";
import { CHECK_SCOPES, type ConsistencyReport, DRIFT_KINDS } from "../../consistency/check/report.ts";
import { lazily } from "../../domain/lazily.ts";
import type { JobKind } from "../job-kind.ts";

/** Checks and repairs exclude each other on all nodes: each reads much, and a repair moves what a check looks at. */
export const CONSISTENCY = "consistency";

const inputSchema = lazily(() => z.strictObject({ scope: z.enum(CHECK_SCOPES).default("full") }));

const version = lazily(() => z.number().int().nullable());

/** A check's report as a job keeps it. */
export const reportSchema = lazily(
  (): z.ZodType<ConsistencyReport> =>
    z.object({
      clean: z.boolean(),
      scope: z.enum(CHECK_SCOPES),
      stores: z.array(z.string()),
      checked: z.number(),
      findings: z.array(
        z.object({
          namespace: z.string(),
          memoryId: z.string(),
          store: z.string(),
          kind: z.enum(DRIFT_KINDS),
          expectedVersion: version(),
          foundVersion: version(),
          evidence: z.string(),
        }),
      ),
      byMemory: z.record(z.string(), z.array(z.string())),
      truncated: z.boolean(),
      misses: z.number(),
      startedAt: z.number(),
      resumed: z.boolean(),
    }),
);

/**
 * Compares the stores. Its node's own stores are among them, so no other node takes it over; the next check of the same
 * node goes on where this one was cut short.
 */
export function checkKind(
  checker: Pick<Checker, "run">,
): JobKind<z.infer<ReturnType<typeof inputSchema>>, ConsistencyReport> {
  return {
    kind: "check",
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return reportSchema();
    },
    whenLost: "interrupt",
    exclusive: () => CONSISTENCY,
    run: ({ input, signal, progress }) =>
      checker.run({ scope: input.scope, signal, onProgress: (figures) => progress({ ...figures }) }),
  };
}
