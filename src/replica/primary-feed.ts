import type { FeedCursor } from "../domain/change-source.ts";
import { EpochChangedError } from "../domain/errors.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import type { FeedPlace } from "../feed/follower.ts";
import { readFeedPage } from "../ledger/feed-page-statements.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { mapInTurns } from "../runtime/turns.ts";
import { flownVersion, PageFlights } from "./page-flight.ts";
import { type LaterFacts, readPageFacts, type Withholding, withholdingsOf } from "./primary-statements.ts";
import { type ReplicaWrite, replicaWrite } from "./replica-write.ts";

/** Versions of the primary's feed, as they may leave it. */
export interface PrimaryPage {
  readonly writes: readonly ReplicaWrite[];
  /** Behind the last version. */
  readonly to: FeedCursor;
  /** Versions behind the page that withhold some of it. */
  readonly withheldBy: readonly Withholding[];
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

/** A page, with what tells whether it is of the history that was asked for. */
interface ReadPage extends PrimaryPage {
  readonly epoch: string;
  /** Transactions from this one on had not begun. */
  readonly newest: bigint;
}

/** Reads the primary for the replica. */
export class PrimaryFeed {
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;
  #pages: { readonly limit: number; readonly flights: PageFlights } | null = null;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    this.#postgres = postgres;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /**
   * Over connections that send flights a page is one round trip, and its values come as the server keeps them. Over others (TLS, a
   * client of the caller's) the driver reads it as text, by two statements.
   * @throws {EpochChangedError} The place is of another history. @throws {StoreUnavailableError}
   */
  async read(place: FeedPlace, limit: number, signal: AbortSignal): Promise<PrimaryPage> {
    const { cursor } = place;
    const read = await withDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, async ({ sql, flights }) =>
        flights === undefined ? await readByDriver(sql, cursor, limit) : await this.#fly(flights, cursor, limit),
      ),
    );
    const { epoch, newest, ...page } = await read();
    if (place.epoch !== epoch || BigInt(cursor.xid) > newest) throw new EpochChangedError(place.epoch, epoch);
    return page;
  }

  /** @returns what takes the page apart: the connection need not wait for that. */
  async #fly(flights: FlightChannel, cursor: FeedCursor, limit: number): Promise<() => Promise<ReadPage>> {
    if (this.#pages?.limit !== limit) this.#pages = { limit, flights: new PageFlights(limit, PAGE_BYTES_MAX) };
    const { rows, last, isCut, epoch, newest, pruned } = await this.#pages.flights.read(flights, cursor);
    return async () => {
      let damaged = 0;
      const facts: LaterFacts[] = [];
      const to = last ?? cursor;
      const writes = await mapInTurns(rows, (columns) => {
        const { row, later } = flownVersion(columns);
        if (row.checksum !== null && row.document === null) damaged++;
        if (later.strictest !== "full") facts.push(later);
        return replicaWrite(row, later);
      });
      const withheldBy = withholdingsOf(facts, to);
      return { writes, to, withheldBy, complete: !isCut, pruned, damaged, epoch, newest };
    };
  }

  /** How far tombstones are pruned. @throws {StoreUnavailableError} */
  async pruned(signal: AbortSignal): Promise<FeedCursor | null> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, async ({ sql }) => (await readPageFacts(sql, [])).pruned),
    );
  }
}

async function readByDriver(sql: Sql, cursor: FeedCursor, limit: number): Promise<() => Promise<ReadPage>> {
  const page = await readFeedPage(sql, {
    reading: "versions",
    ...{ cursor, limit, namespaces: null, where: null, applyPrivacy: true, parts: "memories" },
    scanMax: Math.max(limit, SCAN_MAX),
    bytesMax: PAGE_BYTES_MAX,
  });
  const facts = await readPageFacts(sql, page.rows);
  return async () => ({
    writes: await mapInTurns(page.rows, (row, index) => replicaWrite(row, facts.later[index])),
    to: page.last ?? cursor,
    withheldBy: withholdingsOf(facts.later, page.last ?? cursor),
    complete: page.complete,
    pruned: facts.pruned,
    damaged: page.rows.filter(({ checksum, isMissing }) => checksum !== null && isMissing).length,
    epoch: page.epoch,
    newest: page.newest,
  });
}
