import * as z from "zod";
import { checkDocument, checkSchema } from "../../documents/consistency-documents.ts";
import { CHECK_SCOPES, type ConsistencyReport } from "../../index.ts";
import { tool } from "../tool.ts";

/** Findings of one answer, at most: a model reads all of it. */
const FINDINGS_MAX = 200;

export const check = tool({
  name: "check",
  title: "Check the stores",
  description:
    "Compares all stores with the ledger and lists what differs, by memory, store and kind. Repairs nothing. quick looks at " +
    "what changed lately, full at everything, deep recomputes each checksum.",
  right: "operate",
  everywhere: true,
  duration: "long",
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  fields: () => ({ scope: z.enum(CHECK_SCOPES).default("quick") }),
  output: checkSchema,
  async run({ sync, args, signal, onProgress }) {
    const report = await sync.checkConsistency({
      scope: args.scope,
      signal,
      onProgress: ({ checked, findings }) =>
        onProgress(checked, undefined, `${checked} compared, ${findings} findings`),
    });
    return checkDocument(shortened(report));
  },
});

function shortened(report: ConsistencyReport): ConsistencyReport {
  if (report.findings.length <= FINDINGS_MAX) return report;
  const findings = report.findings.slice(0, FINDINGS_MAX);
  const named = new Set(findings.map(({ memoryId }) => memoryId));
  const byMemory = Object.fromEntries(Object.entries(report.byMemory).filter(([memoryId]) => named.has(memoryId)));
  return { ...report, findings, byMemory, truncated: true };
}
