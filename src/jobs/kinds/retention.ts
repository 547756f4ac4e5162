import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { BodyPlace, RetentionRules } from "../../ledger/retention-statements.ts";
import type { JobKind } from "../job-kind.ts";

/** The name of the kind of job that prunes what the retention no longer keeps. */
export const RETENTION = "retention";

const inputSchema = lazily(() => z.strictObject({}));
const resultSchema = lazily(() => z.object({ historyVersions: z.number(), evidence: z.number() }));
const checkpointSchema = lazily(() => z.object({ namespace: z.string(), memoryId: z.string(), version: z.number() }));

export interface RetentionKindParts {
  readonly ledger: Pick<LedgerStore, "pruneHistoryPage" | "pruneEvidence">;
  readonly rules: RetentionRules;
}

/** Bodies looked at, and records deleted, at a time. */
const BATCH_SIZE = 1_000;

/**
 * Prunes replaced versions and settled conflicts that the rules of the node that runs it no longer keep, batch by batch. A
 * takeover goes on behind the last batch.
 */
export function retentionKind({
  ledger,
  rules,
}: RetentionKindParts): JobKind<z.infer<ReturnType<typeof inputSchema>>, z.infer<ReturnType<typeof resultSchema>>> {
  return {
    kind: RETENTION,
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return resultSchema();
    },
    get checkpointSchema() {
      return checkpointSchema();
    },
    whenLost: "resume",
    exclusive: () => RETENTION,
    async run({ signal, progress, checkpoint, resumeFrom }) {
      let [historyVersions, evidence] = [0, 0];
      for (let pruned = BATCH_SIZE; pruned === BATCH_SIZE; evidence += pruned) {
        signal.throwIfAborted();
        pruned = await ledger.pruneEvidence(rules, BATCH_SIZE, signal);
      }
      let after: BodyPlace | null = resumeFrom === null ? null : checkpointSchema().parse(resumeFrom);
      do {
        signal.throwIfAborted();
        const { pruned, last } = await ledger.pruneHistoryPage(rules, after, BATCH_SIZE, signal);
        historyVersions += pruned;
        progress({ historyVersions, evidence });
        after = last;
        if (last !== null) await checkpoint({ ...last });
      } while (after !== null);
      return { historyVersions, evidence };
    },
  };
}
