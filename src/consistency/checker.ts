import { BucketSet } from "../memory/buckets.ts";
import type { CheckerParts, CheckOptions } from "./check-options.ts";
import { Pass } from "./pass.ts";
import { buildReport, type ConsistencyReport } from "./report.ts";

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
   * Looks at all three stores, in both directions.
   * @throws {StoreUnavailableError} A store could not be looked at: then nothing is claimed at all.
   */
  async run(options: CheckOptions = {}): Promise<ConsistencyReport> {
    const { scope = "full", signal = new AbortController().signal, onProgress } = options;
    const { ledger, projections, log, now } = this.#parts;
    const startedAt = now();
    const pass = new Pass(this.#parts, scope, signal, onProgress);
    // Data can differ where versions and checksums agree, so a deep check looks at every memory.
    const differing = scope === "deep" ? null : await this.#differingBuckets(signal);
    const compared = await pass.compareLedger(differing?.buckets ?? null);
    for (const projection of projections) await pass.compareStrangers(projection, differing?.buckets ?? null);
    const report = buildReport(scope, differing?.total ?? compared, pass.findings);
    await ledger.recordCheck({ scope, checked: report.checked, findings: report.findings.length, startedAt }, signal);
    log.info({ scope, checked: report.checked, findings: report.findings.length }, "check.finished");
    return report;
  }

  /** Buckets in which the digest of any projection differs from the ledger's, and how many memories were compared so. */
  async #differingBuckets(signal: AbortSignal): Promise<{ buckets: BucketSet; total: number }> {
    const buckets = new BucketSet();
    let total = 0;
    for (const projection of this.#parts.projections) {
      const [expected, found] = await Promise.all([
        this.#parts.ledger.readDigests(projection.store, signal),
        projection.digest(signal),
      ]);
      total = Math.max(total, expected.total);
      for (const bucket of expected.differences(found)) buckets.add(bucket);
    }
    return { buckets, total };
  }
}
