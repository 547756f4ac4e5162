import { type BucketDigests, BucketSet } from "../../domain/buckets.ts";
import { ConfigurationError } from "../../domain/errors.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { Eviction, Projection } from "../../stores/projection.ts";
import { digestedBy } from "../../stores/traits.ts";
import { buildReport, type CheckContext } from "./check-context.ts";
import type { CheckerParts, CheckOptions } from "./check-options.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import { runQuick } from "./quick.ts";
import type { CheckScope, ConsistencyReport } from "./report.ts";
import { runSweepSlice, type SweepOptions, type SweepSlice } from "./sweep.ts";
import { WALK_START, Walk, type WalkPosition } from "./walk.ts";

/** Memories per page when only versions are compared: bounds what is held in memory. */
export const PAGE_SIZE = 1_000;
/** Memories per page, at most, when the data is read too, and the bytes that a page should have. */
const DEEP_PAGE = { pageSize: 256, pageBytes: 8 * 1_048_576 };

const ALL_STORES: readonly StoreId[] = ["postgres", "redis", "faiss"];

/**
 * Finds drift: suspect, then confirm. No snapshot spans three stores, so a difference seen in passing may be a write on
 * its way; it counts once it is seen again while the memory's row is locked and nothing of it is under way.
 */
export class Checker {
  readonly #parts: CheckerParts;

  constructor(parts: CheckerParts) {
    this.#parts = parts;
  }

  /**
   * Looks at the stores, in both directions.
   * @throws {StoreUnavailableError} A store could not be looked at: then nothing is claimed at all.
   */
  async run(options: CheckOptions = {}): Promise<ConsistencyReport> {
    const { scope = "full", signal = new AbortController().signal } = options;
    const stores = this.#stores(options.stores);
    const pace = this.#parts.pace(options.memoriesPerSecondMax ?? null);
    const begunAt = performance.now();
    try {
      const context = { parts: this.#parts, name: checkName(scope, stores), stores, pace, signal };
      const projections = this.#projections(stores);
      const evictions = await this.#evictions(projections, signal);
      const report =
        scope === "quick"
          ? await runQuick(context, projections, evictions, options)
          : await this.#walk(scope, context, projections, evictions, options);
      const { checked, findings, clean } = report;
      this.#parts.log.info({ scope, stores, checked, findings: findings.length, clean }, "check.finished");
      this.#parts.onChecked?.(report, performance.now() - begunAt);
      return report;
    } finally {
      pace.end();
    }
  }

  /** One slice of the rolling sweep over everything. */
  async sweep(options: SweepOptions): Promise<SweepSlice> {
    const stores = this.#stores(options.stores);
    const projections = this.#projections(stores);
    const evictions = await this.#evictions(projections, options.signal);
    const pace = this.#parts.pace(null);
    try {
      const name = checkName("sweep", stores);
      return await runSweepSlice(
        { parts: this.#parts, name, stores, pace, signal: options.signal },
        projections,
        evictions,
        options,
      );
    } finally {
      pace.end();
    }
  }

  async #walk(
    scope: "full" | "deep",
    context: CheckContext,
    projections: readonly Projection[],
    evictions: ReadonlyMap<Projection, Eviction>,
    options: CheckOptions,
  ): Promise<ConsistencyReport> {
    const { parts, name, stores, pace, signal } = context;
    const deep = scope === "deep";
    const { run, position } = await CheckRun.begin(parts, name, options.resume ?? true, signal);
    const comparer = new Comparer(
      parts,
      { deep, ledgerToo: stores.includes("postgres"), projections, evictions },
      run.log,
      signal,
    );
    // Data can differ where versions and checksums agree, so a deep check looks at every memory.
    const differing = deep ? null : await this.#differingBuckets(projections, signal);
    const pages = deep ? DEEP_PAGE : { pageSize: PAGE_SIZE, pageBytes: null };
    const start = (position as WalkPosition | null) ?? WALK_START;
    const walk = new Walk(
      parts,
      {
        projections,
        buckets: differing?.buckets ?? null,
        ...(differing !== null && {
          strangersIn: (projection: Projection) =>
            comparer.bucketsWithStrangers(
              projection,
              differing.buckets,
              differing.found.get(projection) as BucketDigests,
            ),
        }),
        ...pages,
      },
      comparer,
      start,
      signal,
    );
    try {
      for (let seen = await walk.step(); seen !== null; seen = await walk.step()) {
        const checked = run.checkedBefore + comparer.checked;
        options.onProgress?.({ checked, findings: run.log.findings.length });
        await run.checkpoint(walk.position, comparer.checked, signal);
        await pace.turn(seen, signal);
        signal.throwIfAborted();
      }
    } catch (error) {
      // Whoever gives up does not want it gone on with; a store that fails may be back soon.
      if (signal.aborted) await endAbandoned(run, comparer.checked);
      throw error;
    } finally {
      await walk.end();
    }
    await run.finish(null, comparer.checked, signal);
    return buildReport(scope, context, run, comparer, differing?.total ?? run.checkedBefore + comparer.checked);
  }

  /** Buckets in which the digest of any projection differs from the ledger's, and how many memories were compared so. */
  async #differingBuckets(
    projections: readonly Projection[],
    signal: AbortSignal,
  ): Promise<{ buckets: BucketSet; found: ReadonlyMap<Projection, BucketDigests>; total: number }> {
    const { ledger } = this.#parts;
    const buckets = new BucketSet();
    const all = new Map<Projection, BucketDigests>();
    const totals = await Promise.all(
      projections.map(async (projection) => {
        const [expected, found] = await Promise.all([
          ledger.readDigests(digestedBy(projection.traits), signal),
          projection.digest(signal),
        ]);
        for (const bucket of expected.differences(found)) buckets.add(bucket);
        all.set(projection, found);
        return expected.total;
      }),
    );
    return { buckets, found: all, total: Math.max(0, ...totals) };
  }

  async #evictions(
    projections: readonly Projection[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<Projection, Eviction>> {
    const evictions = new Map<Projection, Eviction>();
    for (const projection of projections) {
      if (projection.eviction !== undefined) evictions.set(projection, await projection.eviction(signal));
    }
    return evictions;
  }

  #projections(stores: readonly StoreId[]): Projection[] {
    return this.#parts.projections.filter(({ id: store }) => stores.includes(store));
  }

  #stores(wanted: readonly StoreId[] | undefined): readonly StoreId[] {
    const present = ALL_STORES.filter(
      (store) => store === "postgres" || this.#parts.projections.some((projection) => projection.id === store),
    );
    if (wanted === undefined) return present;
    const absent = wanted.find((store) => !present.includes(store));
    if (absent !== undefined || wanted.length === 0) {
      throw new ConfigurationError(
        `stores: found ${JSON.stringify(wanted)}, expected one or more of ${present.join(", ")}, which are connected`,
      );
    }
    return present.filter((store) => wanted.includes(store));
  }
}

/** Progress of all stores goes by the scope alone: only such a check says that all was clean. */
function checkName(scope: CheckScope | "sweep", stores: readonly StoreId[]): string {
  const isWhole = ALL_STORES.every((store) => stores.includes(store) || store !== "redis");
  return isWhole && stores.includes("postgres") ? scope : `${scope}:${stores.join("+")}`;
}

/** Milliseconds to note that a check was given up. */
const ABANDON_TIMEOUT_MS = 2_000;

async function endAbandoned(run: CheckRun, checked: number): Promise<void> {
  // A failure here leaves a check that would be resumed: harmless, and the caller's own abort is what it is told of.
  await run.pause(null, checked, AbortSignal.timeout(ABANDON_TIMEOUT_MS)).catch(() => undefined);
}
