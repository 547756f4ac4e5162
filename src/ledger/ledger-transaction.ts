import { compareKeys, type MemoryKey } from "../domain/keys.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import type { Backend, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import {
  type AppliedChange,
  keepAppliedChanges,
  type PushedChange,
  type PushedFacts,
  readPushedFacts,
} from "./change-claims.ts";
import { beginWithNew, copyInFlight, type NewlyWritten } from "./copy-flights.ts";
import { COPY_ROWS_MIN, copyVersions } from "./copy-versions.ts";
import { COMMIT } from "./flight-statements.ts";
import { beginGuarded, type Flown } from "./guarded-writes.ts";
import { type KeyClaim, keepAnswer, readTakenKeys, type TakenKey } from "./idempotency-statements.ts";
import { beginWithPushed, type NewlyPushed } from "./push-flights.ts";
import { queueForSharedStores } from "./queue-statements.ts";
import { isReplicated } from "./replica-marker.ts";
import { scrubContent } from "./scrub-statements.ts";
import { commitOne } from "./single-flights.ts";
import type { GuardedAnswer, GuessedWrite } from "./version-write.ts";
import { writeInFlight } from "./write-flights.ts";
import {
  type Begun,
  type BucketedKey,
  beginAndLock,
  isOptimistic,
  type TransactionToken,
  type VersionWrite,
  type WriteAnswer,
  writeVersions,
} from "./write-statements.ts";

/** A transaction's claim to an idempotency key. */
export interface Claiming {
  readonly claim: KeyClaim;
  readonly transactionId: string;
}

/** Takes the place of a text that may have quoted a withdrawn memory. */
const WITHDRAWN_TEXT = "removed by a withdrawal";

/** A transaction that writes memories, on a connection of its own. Ends with `commit` or `rollback`, or with its connection. */
export interface LedgerTransaction {
  /** The server process that runs it. */
  readonly backend: Backend;
  /**
   * Begins, claims an idempotency key, locks and reads the rows of `keys`, and reads the clock, and behind the locks the facts of
   * changes that devices pushed, in order.
   */
  begin(
    keys: readonly BucketedKey[],
    claiming?: Claiming,
    pushed?: readonly PushedChange[],
  ): Promise<Begun & { readonly facts: readonly PushedFacts[] }>;
  /**
   * `begin`, and in the same flight the guessed writes that hold: the row that a write replaces is the known one, or the
   * memory is new. The transaction's row names those, and `write` adds the others once they are decided on.
   */
  beginWith(
    guesses: readonly GuessedWrite[],
    keys: readonly BucketedKey[],
    token: TransactionToken,
    claiming?: Claiming,
  ): Promise<Flown>;
  /** Whether the connection sends flights: whether `beginWithNew`, `beginWithPushed` and `commitAlone` can be called. */
  readonly flies: boolean;
  /**
   * Begins, and writes memories that are taken for new, all of the first version, in the same flight. Nothing is looked for
   * and locked before: where one is not new, the transaction is `guessed_wrong`, and must be rolled back.
   */
  beginWithNew(writes: readonly VersionWrite[], token: TransactionToken): Promise<NewlyWritten>;
  /**
   * `beginWithNew` of memories that pushed changes write, with the claims of their keys: `applied` has one change for each. Behind them
   * it reads the facts of the changes, in order: where one of these must not be applied, the transaction must be rolled back.
   */
  beginWithPushed(
    writes: readonly VersionWrite[],
    token: TransactionToken,
    applied: readonly AppliedChange[],
  ): Promise<NewlyPushed>;
  /**
   * Begins, writes one memory where its guess holds, and commits, in one flight. The answer says whether it is written and
   * durable; where it is not, the transaction has ended, and another one may begin. Null: something is in the way, and the
   * transaction must be rolled back.
   */
  commitAlone(guess: GuessedWrite, token: TransactionToken): Promise<GuardedAnswer | null>;
  /** The transactions that have the key, after `begin` answered `isKeyTaken`; none when the key was pruned since. */
  takenKeys(claiming: Claiming): Promise<TakenKey[]>;
  /** Keeps the answer that a repeat under the claimed key is given. */
  keepAnswer(claiming: Claiming, answer: readonly unknown[]): Promise<void>;
  /** Whether the ledger has a replica, of whichever node. */
  isReplicated(): Promise<boolean>;
  /** Takes the content of memories out of the ledger that this transaction ends. */
  scrub(keys: readonly MemoryKey[]): Promise<void>;
  /** Queues what the transaction wrote for all shared stores, and wakes their nodes: nothing is left to publish. */
  queueForStores(keys: readonly MemoryKey[], transactionId: string): Promise<void>;
  /**
   * Writes versions and the transaction's row, and claims the keys of the pushed changes that it applies: `raced` where one of them
   * was taken since.
   */
  write(
    writes: readonly VersionWrite[],
    token: TransactionToken,
    applied?: readonly AppliedChange[],
  ): Promise<WriteAnswer>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** A transaction on a Postgres connection. */
export class PostgresTransaction implements LedgerTransaction {
  readonly backend: Backend;
  readonly #connection: PostgresConnection;
  readonly #sql: PostgresConnection["sql"];
  #isCopyRefused = false;
  #isOpen = false;

  constructor(connection: PostgresConnection) {
    this.backend = connection.backend;
    this.#connection = connection;
    this.#sql = connection.sql;
  }

  /** Whether it was begun and not ended. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  async begin(
    keys: readonly BucketedKey[],
    claiming?: Claiming,
    pushed: readonly PushedChange[] = [],
  ): Promise<Begun & { readonly facts: readonly PushedFacts[] }> {
    this.#isOpen = true;
    const begun = beginAndLock(this.#sql, keys, claiming);
    if (pushed.length === 0) return { ...(await begun), facts: [] };
    // In the same flight: the server reads them once it has the locks.
    const [locked, facts] = await Promise.all([begun, readPushedFacts(this.#sql, pushed)]);
    return { ...locked, facts };
  }

  async beginWith(
    guesses: readonly GuessedWrite[],
    keys: readonly BucketedKey[],
    token: TransactionToken,
    claiming?: Claiming,
  ): Promise<Flown> {
    this.#isOpen = true;
    return await beginGuarded(this.#connection, guesses, keys, token, claiming);
  }

  get flies(): boolean {
    return this.#connection.flights !== undefined;
  }

  async beginWithNew(writes: readonly VersionWrite[], token: TransactionToken): Promise<NewlyWritten> {
    const flights = this.#flights();
    this.#isOpen = true;
    return await beginWithNew(flights, writes.toSorted(compareKeys), token);
  }

  async beginWithPushed(
    writes: readonly VersionWrite[],
    token: TransactionToken,
    applied: readonly AppliedChange[],
  ): Promise<NewlyPushed> {
    const flights = this.#flights();
    this.#isOpen = true;
    return await beginWithPushed(flights, writes.toSorted(compareKeys), token, applied);
  }

  async commitAlone(guess: GuessedWrite, token: TransactionToken): Promise<GuardedAnswer | null> {
    const flights = this.#flights();
    this.#isOpen = true;
    const answer = await commitOne(flights, guess, token);
    if (answer !== null) this.#isOpen = false;
    return answer;
  }

  /** @throws {TypeError} See `flies`. */
  #flights(): FlightChannel {
    const { flights } = this.#connection;
    if (flights === undefined) throw new TypeError("this connection sends no flights");
    return flights;
  }

  async takenKeys({ claim, transactionId }: Claiming): Promise<TakenKey[]> {
    return await readTakenKeys(this.#sql, claim, transactionId);
  }

  async keepAnswer({ claim, transactionId }: Claiming, answer: readonly unknown[]): Promise<void> {
    await keepAnswer(this.#sql, claim, transactionId, answer);
  }

  async isReplicated(): Promise<boolean> {
    return await isReplicated(this.#sql);
  }

  async scrub(keys: readonly MemoryKey[]): Promise<void> {
    await scrubContent(this.#sql, keys, WITHDRAWN_TEXT);
  }

  async queueForStores(keys: readonly MemoryKey[], transactionId: string): Promise<void> {
    await queueForSharedStores(this.#sql, keys, transactionId);
  }

  async write(
    writes: readonly VersionWrite[],
    token: TransactionToken,
    applied: readonly AppliedChange[] = [],
  ): Promise<WriteAnswer> {
    // Postgres takes locks in the order of the rows, so all writers must sort them alike.
    const ordered = writes.toSorted(compareKeys);
    const { sendsAtOnce, destroy, flights } = this.#connection;
    if (ordered.length >= COPY_ROWS_MIN && isOptimistic(ordered, token)) {
      if (flights !== undefined) return await copyInFlight(flights, ordered, token, applied);
      if (!sendsAtOnce || destroy === undefined) {
        return await this.#andClaims(await writeVersions(this.#sql, ordered, token), applied);
      }
      const answer = await copyVersions(this.#sql, ordered, token);
      this.#isCopyRefused = answer === "copy_refused";
      return await this.#andClaims(answer, applied);
    }
    const isFirst = token.optimistic !== false && token.appends !== true;
    if (flights !== undefined && isFirst && ordered.length > 0) {
      return await writeInFlight(flights, ordered, token, applied);
    }
    return await this.#andClaims(await writeVersions(this.#sql, ordered, token), applied);
  }

  async #andClaims(answer: WriteAnswer, applied: readonly AppliedChange[]): Promise<WriteAnswer> {
    if (answer !== "written" || applied.length === 0) return answer;
    return (await keepAppliedChanges(this.#sql, applied)) ? "written" : "raced";
  }

  async commit(): Promise<void> {
    const { flights } = this.#connection;
    if (flights === undefined) await this.#sql`commit`;
    else await this.#sendCommit(flights);
    this.#isOpen = false;
  }

  async #sendCommit(flights: FlightChannel): Promise<void> {
    const flight = flights.begin([COMMIT], 64);
    flight.execute(COMMIT);
    await flights.send(flight);
  }

  async rollback(): Promise<void> {
    this.#isOpen = false;
    // A connection on which a COPY was refused may hold a stream that never settles, so nothing else may use it.
    if (this.#isCopyRefused) this.#connection.destroy?.();
    else await this.#sql`rollback`;
  }
}
