import * as z from "zod";
import type { Pace } from "../../consistency/check/pace.ts";
import { refill } from "../../consistency/loop/refill.ts";
import { InternalError } from "../../domain/errors.ts";
import { lazily } from "../../domain/lazily.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { StoreRegistry } from "../../stores/registry.ts";
import type { JobKind } from "../job-kind.ts";
import type { Jobs } from "../jobs.ts";

const inputSchema = lazily(() => z.strictObject({ store: z.string().min(1).max(63) }));
const resultSchema = lazily(() => z.object({ applied: z.number() }));
const checkpointSchema = lazily(() => z.object({ namespace: z.string(), memoryId: z.string() }));

export interface FillKindParts {
  readonly ledger: Pick<LedgerStore, "listChanges" | "markStoreFilled"> & Partial<Pick<LedgerStore, "knownEpoch">>;
  readonly stores: Pick<StoreRegistry, "get">;
  /** That of checks. Ended after each run. */
  readonly pace: () => Pick<Pace, "turn" | "end">;
  /** Told how many memories a store took. */
  readonly onFilled?: (store: string, memories: number) => void;
}

/**
 * Publishes every live memory to a shared store that was registered anew, then says in the ledger that it is filled. What
 * is written meanwhile goes to the store, or to its backlog, as ever; a publish never replaces a newer version.
 */
export function fillKind(
  parts: FillKindParts,
): JobKind<z.infer<ReturnType<typeof inputSchema>>, z.infer<ReturnType<typeof resultSchema>>> {
  const { ledger, stores, onFilled } = parts;
  return {
    kind: "fill",
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
    exclusive: ({ store }) => `fill:${store}`,
    store: ({ store }) => store,
    async run({ input, signal, progress, checkpoint, resumeFrom }) {
      const projection = stores.get(input.store);
      if (projection === undefined)
        throw new InternalError(`this node does not run store ${JSON.stringify(input.store)}`);
      const pace = parts.pace();
      try {
        const applied = await refill(ledger, projection, pace, signal, {
          after: resumeFrom === null ? null : checkpointSchema().parse(resumeFrom),
          async onPublished(last, appliedNow) {
            progress({ applied: appliedNow });
            await checkpoint({ namespace: last.namespace, memoryId: last.memoryId });
          },
        });
        await ledger.markStoreFilled(input.store, signal);
        onFilled?.(input.store, applied);
        return { applied };
      } finally {
        pace.end();
      }
    },
  };
}

/** Milliseconds before a fill that failed is tried again. */
const RETRY_MS = 600_000;

/**
 * Has each of `unfilled` filled by a node that runs it. Repeated calls, also on several nodes, make one job; a fill that
 * failed is tried again after ten minutes.
 * @param now milliseconds since 1970.
 * @returns ids of the jobs that were made.
 */
export async function enqueueFills(
  jobs: Pick<Jobs, "enqueue" | "list">,
  unfilled: Iterable<string>,
  signal: AbortSignal,
  now: number = Date.now(),
): Promise<string[]> {
  const stores = [...unfilled];
  if (stores.length === 0) return [];
  const recent = new Set<string>();
  for (const { kind, input, endedAt } of await jobs.list({ signal })) {
    const agoMs = endedAt === null ? Number.POSITIVE_INFINITY : now - Date.parse(endedAt);
    // A clock that was ahead wrote a time in the future, which would delay the next attempt by as much.
    if (kind === "fill" && agoMs >= 0 && agoMs < RETRY_MS) recent.add(inputSchema().parse(input).store);
  }
  const made: string[] = [];
  for (const store of stores.filter((id) => !recent.has(id))) {
    const outcome = await jobs.enqueue("fill", { store }, { signal });
    if (outcome.outcome === "started") made.push(outcome.job.id);
  }
  return made;
}
