import { type BucketDigests, BucketSet } from "../../domain/buckets.ts";
import { ConfigurationError } from "../../domain/errors.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { Projection } from "../../stores/projection.ts";
import { digestedBy } from "../../stores/traits.ts";
import { buildReport } from "./build-report.ts";
import { type CheckContext, type CheckedStore, storeIds } from "./check-context.ts";
import type { CheckerParts, CheckOptions } from "./check-options.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import { parseWalkPosition } from "./position.ts";
import { runQuick } from "./quick.ts";
import type { CheckScope, ConsistencyReport } from "./report.ts";
import { runSweepSlice, type SweepOptions, type SweepSlice } from "./sweep.ts";
import { UnprovenEntries } from "./unproven-entries.ts";
import { Walk } from "./walk.ts";

/** Memories per page when only versions are compared: bounds the memory that a check needs. */
const PAGE_SIZE = 1_000;
/** Maximum memories per page when the data is read too, and the target size of a page in bytes. */
const DEEP_PAGE = { pageSize: 256, pageBytes: 8 * 1_048_576 };

/**
 * Finds drift: suspect, then confirm. No snapshot spans all stores, so a difference seen once may be a write in progress.
 * It is confirmed when it is seen again while the memory's row is locked and no publish of the memory is pending.
 */
export class Checker {
  readonly #parts: CheckerParts;

  constructor(parts: CheckerParts) {
    this.#parts = parts;
  }

  /**
   * Compares the stores with the ledger, in both directions.
   * @throws {StoreUnavailableError} A store could not be read: then there is no report at all.
   * @throws {ConfigurationError} `stores` names a store that is not connected.
   */
  async run(options: CheckOptions = {}): Promise<ConsistencyReport> {
    const { scope = "full", signal = new AbortController().signal } = options;
    const begunAt = performance.now();
    return await this.#within(scope, options, signal, async (context) => {
      const report = scope === "quick" ? await runQuick(context, options) : await this.#walk(scope, context, options);
      const { stores, checked, findings, clean } = report;
      this.#parts.log.info({ scope, stores, checked, findings: findings.length, clean }, "check.finished");
      this.#parts.onChecked?.(report, performance.now() - begunAt);
      return report;
    });
  }

  /** One slice of the rolling sweep over everything. */
  async sweep(options: SweepOptions): Promise<SweepSlice> {
    return await this.#within("sweep", options, options.signal, (context) => runSweepSlice(context, options));
  }

  async #within<T>(
    kind: CheckScope | "sweep",
    options: Pick<CheckOptions, "stores" | "memoriesPerSecondMax">,
    signal: AbortSignal,
    work: (context: CheckContext) => Promise<T>,
  ): Promise<T> {
    const pace = this.#parts.pace(options.memoriesPerSecondMax ?? null);
    try {
      const { stores, isWhole } = await this.#stores(options.stores, signal);
      // A check of all stores is recorded under the scope alone: only such a check proves that everything was clean.
      const name = isWhole ? kind : `${kind}:${storeIds(stores).join("+")}`;
      return await work({ parts: this.#parts, name, ...stores, pace, signal });
    } finally {
      pace.end();
    }
  }

  async #walk(scope: "full" | "deep", context: CheckContext, options: CheckOptions): Promise<ConsistencyReport> {
    const { parts, name, checked: stores, pace, signal } = context;
    const deep = scope === "deep";
    const ids = stores.map(({ projection }) => projection.id);
    const parse = (value: unknown) => parseWalkPosition(value, ids);
    const { run, position } = await CheckRun.begin(parts, name, { resume: options.resume ?? true, parse }, signal);
    const unproven = this.#parts.standings === undefined ? null : new UnprovenEntries(parts.ledger);
    const comparer = new Comparer(context, run.log, deep, unproven);
    const seen = position === null ? await this.#look(stores, signal) : [];
    // Data can differ where versions and checksums agree, so a deep check compares every memory.
    const differing = deep ? null : await this.#differingBuckets(stores, signal);
    const walk = new Walk(context, comparer, {
      position,
      ...(deep ? DEEP_PAGE : { pageSize: PAGE_SIZE }),
      ...(differing !== null && {
        buckets: differing.buckets,
        unknownIn: (projection) =>
          comparer.bucketsWithUnknown(
            projection,
            differing.buckets,
            differing.found.get(projection) as BucketDigests, // Of every store of this check.
          ),
      }),
    });
    try {
      for (let seen = await walk.step(); seen !== null; seen = await walk.step()) {
        const checked = run.checkedBefore + comparer.checked;
        options.onProgress?.({ checked, findings: run.log.findings.length });
        await run.checkpoint(walk.position, comparer.checked, signal);
        await pace.turn(seen, signal);
        signal.throwIfAborted();
      }
      await unproven?.settle((keys) => comparer.compareKeys(keys), signal);
    } catch (error) {
      // A check that its caller aborted is not resumed. After a store failure it is, because the store may be back soon.
      if (signal.aborted) await endAbandoned(run, comparer.checked);
      throw error;
    } finally {
      await walk.end();
    }
    // The record and the report use the same number: memories compared by digest count too.
    const total = differing?.total ?? run.checkedBefore + comparer.checked;
    await run.finish(null, total - run.checkedBefore, signal);
    for (const { projection, standing } of seen) {
      const open = unproven?.of(projection.id) ?? [];
      if (open.length > 0) {
        this.#parts.log.info({ store: projection.id, memories: open.length }, "check.store_unproven");
        options.onUnproven?.(projection.id, open);
      }
      if (open.length > 0 || run.log.findings.some(({ store }) => store === projection.id)) continue;
      await this.#parts.standings?.confirm(projection, standing, signal);
    }
    return buildReport(scope, context, run, comparer, total);
  }

  /** The standing of shared stores before the comparison. If it is the same afterwards, the comparison covered one state. */
  async #look(stores: readonly CheckedStore[], signal: AbortSignal) {
    const { standings } = this.#parts;
    if (standings === undefined) return [];
    const looks = stores.map(async ({ projection }) => {
      const standing = await standings.standingOf(projection, signal);
      return standing === null ? [] : [{ projection, standing }];
    });
    return (await Promise.all(looks)).flat();
  }

  /** Buckets in which any projection's digest differs from the ledger's, and the number of memories compared by digest. */
  async #differingBuckets(
    stores: readonly CheckedStore[],
    signal: AbortSignal,
  ): Promise<{ buckets: BucketSet; found: ReadonlyMap<Projection, BucketDigests>; total: number }> {
    const { ledger } = this.#parts;
    const buckets = new BucketSet();
    const all = new Map<Projection, BucketDigests>();
    const totals = await Promise.all(
      stores.map(async ({ projection }) => {
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

  /** The stores to compare: the requested ones, except those that are being filled. */
  async #stores(
    wanted: readonly StoreId[] | undefined,
    signal: AbortSignal,
  ): Promise<{ stores: Pick<CheckContext, "checked" | "ledgerToo">; isWhole: boolean }> {
    const { projections, unfilled } = this.#parts;
    const present = [LEDGER_ID, ...projections.map(({ id }) => id)];
    if (wanted !== undefined && (wanted.length === 0 || !wanted.every((store) => present.includes(store)))) {
      throw new ConfigurationError(
        `stores: found ${JSON.stringify(wanted)}, expected one or more of ${present.join(", ")}, which are connected`,
      );
    }
    const filling = (await unfilled?.(signal)) ?? new Set<StoreId>();
    const isWanted = (store: StoreId): boolean => wanted?.includes(store) ?? true;
    const checkable = projections.filter(({ id }) => !filling.has(id));
    const ledgerToo = isWanted(LEDGER_ID);
    const looked = checkable.filter(({ id }) => isWanted(id));
    if (looked.length === 0 && !ledgerToo) {
      throw new ConfigurationError(
        `stores: ${(wanted ?? []).join(", ")} was registered anew and is being filled: check it when that is done`,
      );
    }
    const checked: CheckedStore[] = [];
    for (const projection of looked) {
      checked.push({ projection, eviction: (await projection.eviction?.(signal)) ?? "none" });
    }
    return { stores: { checked, ledgerToo }, isWhole: ledgerToo && looked.length === checkable.length };
  }
}

/** Deadline in milliseconds for recording that a check was aborted. */
const ABANDON_TIMEOUT_MS = 2_000;

async function endAbandoned(run: CheckRun, checked: number): Promise<void> {
  // After a failure here the check would be resumed, which is harmless. The caller gets the error of its own abort.
  await run.pause(null, checked, AbortSignal.timeout(ABANDON_TIMEOUT_MS)).catch(() => undefined);
}
