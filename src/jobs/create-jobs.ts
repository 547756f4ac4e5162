import type { Checker } from "../consistency/check/checker.ts";
import type { Pace } from "../consistency/check/pace.ts";
import type { Repairer } from "../consistency/repair/repairer.ts";
import { NotFoundError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { MovingLedger } from "../ledger/moving-ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { StoreRegistry } from "../stores/registry.ts";
import { JobKinds } from "./job-kind.ts";
import { JobRunner } from "./job-runner.ts";
import { JobStore } from "./job-store.ts";
import { Jobs } from "./jobs.ts";
import { checkKind, reportSchema } from "./kinds/check.ts";
import { fillKind } from "./kinds/fill.ts";
import { moveBodiesKind } from "./kinds/move-bodies.ts";
import { embedderResource, type ReembedKindParts, reembedKind, reembedKindWithoutEmbedder } from "./kinds/reembed.ts";
import { repairKind } from "./kinds/repair.ts";

export interface JobsParts {
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly stores: StoreRegistry;
  readonly checker: Pick<Checker, "run">;
  readonly repairer: Pick<Repairer, "run">;
  /** See `RepairKindParts`. */
  readonly defaultStrategy: string;
  /** See `FillKindParts`. */
  readonly pace: () => Pick<Pace, "turn" | "end">;
  /** Null: this node has no embedder, and embeds nothing anew. */
  readonly reembedding: Omit<ReembedKindParts, "ledger" | "pace"> | null;
  readonly onFilled?: (store: string, memories: number) => void;
  /** Milliseconds that one call to the ledger may take. */
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** The jobs of a node, with the kinds that this package brings; other rooms register theirs with `kinds`. Starts nothing. */
export function createJobs(parts: JobsParts): { jobs: Jobs; runner: JobRunner; kinds: JobKinds } {
  const { postgres, ledger, stores, checker, repairer, defaultStrategy, callTimeoutMs, log } = parts;
  const store = new JobStore(postgres, { nodeId: ledger.nodeId, callTimeoutMs });
  const kinds = new JobKinds();
  const { reembedding } = parts;
  const resources = reembedding === null ? [] : [embedderResource(reembedding.embedder.model)];
  const own = [...stores.projections.map(({ id }) => id), ...resources];
  const runner = new JobRunner({ store, kinds, stores: own, log });
  const jobs = new Jobs({ store, kinds, runner });
  kinds.register(checkKind(checker));
  kinds.register(
    repairKind({
      checker,
      repairer,
      defaultStrategy,
      async reportOf(jobId, signal) {
        const job = await jobs.get(jobId, { signal });
        if (job.kind === "check" && job.state === "done") return reportSchema().parse(jobs.resultOf(job));
        throw new NotFoundError(`job ${jobId} is not a check that is done`);
      },
    }),
  );
  const { pace, onFilled } = parts;
  kinds.register(fillKind({ ledger, stores, pace, ...(onFilled && { onFilled }) }));
  kinds.register(moveBodiesKind({ ledger: new MovingLedger(postgres, { callTimeoutMs }), pace }));
  if (reembedding === null) kinds.register(reembedKindWithoutEmbedder());
  else kinds.register(reembedKind({ ...reembedding, ledger, pace }));
  return { jobs, runner, kinds };
}
