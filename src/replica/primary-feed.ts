import type { FeedCursor } from "../domain/change-source.ts";
import { EpochChangedError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { FeedPlace } from "../feed/follower.ts";
import { readFeedPage } from "../ledger/feed-page-statements.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { readPageFacts } from "./primary-statements.ts";
import { type ReplicaWrite, replicaWrite } from "./replica-write.ts";

/** Versions of the primary's feed, as they may leave it. */
export interface PrimaryPage {
  readonly writes: readonly ReplicaWrite[];
  /** Behind the last version. */
  readonly to: FeedCursor;
  /** Whether nothing stood behind the page. */
  readonly complete: boolean;
  /** The newest tombstone that was pruned, as of a moment after the page was read; null: none was. */
  readonly pruned: FeedCursor | null;
  /** Live versions without a document: damaged in the primary. They are told as withdrawn, and a deep check finds them. */
  readonly damaged: number;
}

/** Versions that one page looks at for the privacy of each, at most. */
const SCAN_MAX = 5_000;
/** Bytes of documents and embeddings in a page, at most, but for a single version that is larger. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/** Reads the primary for the replica. */
export class PrimaryFeed {
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    this.#postgres = postgres;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** @throws {EpochChangedError} The place is of another history. @throws {StoreUnavailableError} */
  async read(place: FeedPlace, limit: number, signal: AbortSignal): Promise<PrimaryPage> {
    const { cursor } = place;
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, async ({ sql }) => {
        const page = await readFeedPage(sql, {
          reading: "versions",
          ...{ cursor, limit, namespaces: null, where: null, applyPrivacy: true, parts: "memories" },
          scanMax: Math.max(limit, SCAN_MAX),
          bytesMax: PAGE_BYTES_MAX,
        });
        if (place.epoch !== page.epoch || BigInt(cursor.xid) > page.newest)
          throw new EpochChangedError(place.epoch, page.epoch);
        const facts = await readPageFacts(sql, page.rows);
        return {
          writes: page.rows.map((row, index) => replicaWrite(row, facts.later[index])),
          to: page.last ?? cursor,
          complete: page.complete,
          pruned: facts.pruned,
          damaged: page.rows.filter(({ checksum, isMissing }) => checksum !== null && isMissing).length,
        };
      }),
    );
  }

  /** How far tombstones are pruned. @throws {StoreUnavailableError} */
  async pruned(signal: AbortSignal): Promise<FeedCursor | null> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, async ({ sql }) => (await readPageFacts(sql, [])).pruned),
    );
  }
}
