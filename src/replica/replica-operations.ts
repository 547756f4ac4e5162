import PQueue from "p-queue";
import { assertWhole } from "../domain/assert-whole.ts";
import { ConfigurationError, NotFoundError, ValidationError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { newUlid } from "../runtime/ulid.ts";
import { callSide } from "./call.ts";
import * as cursors from "./cursor-statements.ts";
import * as letters from "./letter-statements.ts";
import { ReplicaNotNowError } from "./not-now-error.ts";
import type { PrimaryFeed } from "./primary-feed.ts";
import type { PrimaryProof } from "./primary-proof.ts";
import * as primary from "./primary-statements.ts";
import { NO_REPLICA, type ReplicaReport } from "./report.ts";
import type { Verification, Verifier, VerifyOptions } from "./verifier.ts";

/** What a synchronizer with a replica has. */
export interface ReplicaParts {
  readonly name: string;
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly proof: Pick<PrimaryProof, "renew">;
  readonly feed: Pick<PrimaryFeed, "pruned">;
  readonly report: (signal: AbortSignal) => Promise<ReplicaReport>;
  readonly verifier: Verifier;
  /** Has the node's replication look at once. */
  readonly wake: () => void;
  /** Names this process. */
  readonly holder: string;
  readonly callTimeoutMs: number;
}

/** How calls of a synchronizer are run: with a deadline, and refused once it is closed. */
export type RunCall = <T>(name: string, call: ReplicaCall, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export interface ReplicaCall {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the call may take. */
  readonly timeoutMs?: number | undefined;
}

const LIST_MAX = 1_000;

/** The replica: how it is, and what operators do about it. */
export class ReplicaOperations {
  readonly #parts: ReplicaParts | null;
  readonly #run: RunCall;
  /** One at a time: each holds a connection to the replica while it asks for another one. */
  readonly #beginnings = new PQueue({ concurrency: 1 });

  /** @param parts null: there is no replica. */
  constructor(parts: ReplicaParts | null, run: RunCall) {
    this.#parts = parts;
    this.#run = run;
  }

  /** How the replica is; `state: "off"` without one. @throws {StoreUnavailableError} The primary is away. */
  async status(call: ReplicaCall = {}): Promise<ReplicaReport> {
    const parts = this.#parts;
    if (parts === null) return NO_REPLICA;
    return await this.#run("replica.status", call, (signal) => parts.report(signal));
  }

  /** Each node stops writing to the replica at its next look, within seconds (state "paused"), until `resume`: it is kept in the primary. Safe twice. */
  async pause(call: ReplicaCall = {}): Promise<ReplicaReport> {
    return await this.#call("replica.pause", call, async (parts, signal) => {
      await callSide(parts, parts.primary, signal, primary.pauseReplication);
      parts.wake();
      return await parts.report(signal);
    });
  }

  async resume(call: ReplicaCall = {}): Promise<ReplicaReport> {
    return await this.#call("replica.resume", call, async (parts, signal) => {
      await callSide(parts, parts.primary, signal, primary.resumeReplication);
      parts.wake();
      return await parts.report(signal);
    });
  }

  /** Memories that the replica refused, oldest first. @param options.limit 1 … 1_000. @default 100 */
  async deadLetters(options: { after?: string; limit?: number } & ReplicaCall = {}): Promise<letters.Letter[]> {
    const { after = "", limit = 100 } = options;
    assertWhole("limit", limit, 1, LIST_MAX);
    return await this.#call("replica.deadLetters", options, (parts, signal) =>
      callSide(parts, parts.primary, signal, (sql) => letters.listLetters(sql, parts.name, after, limit)),
    );
  }

  /** Has a refused memory tried again at once, or all of them. @throws {NotFoundError} @returns how many. */
  async retry(options: { id?: string } & ReplicaCall = {}): Promise<number> {
    return await this.#call("replica.retry", options, async (parts, signal) => {
      const { id = null } = options;
      const count = await callSide(parts, parts.primary, signal, (sql) => letters.retryLetters(sql, parts.name, id));
      if (id !== null && count === 0) throw unknownLetter(id);
      parts.wake();
      return count;
    });
  }

  /**
   * Forgets refused memories: the replica does without them. An ending cannot be dropped: mend the cause, and retry.
   * @throws {NotFoundError} @throws {ValidationError} It is an ending. @returns how many were dropped, and kept as endings.
   */
  async drop(options: { id?: string } & ReplicaCall = {}): Promise<{ dropped: number; kept: number }> {
    return await this.#call("replica.drop", options, async (parts, signal) => {
      const { id = null } = options;
      // The replica's own word first: a hole without a letter would bring the letter back.
      await callSide(parts, parts.replica, signal, (sql) => letters.dropLetters(sql, parts.name, id));
      const counts = await callSide(parts, parts.primary, signal, (sql) => letters.dropLetters(sql, parts.name, id));
      if (id === null || counts.dropped > 0) return counts;
      if (counts.kept === 0) throw unknownLetter(id);
      throw new ValidationError("id", "is of an ending, which the replica must be told: mend the cause, and retry it");
    });
  }

  /** Compares the replica with the primary; with `repair` what differs is sent again. */
  async verify(options: VerifyOptions & ReplicaCall = {}): Promise<Verification> {
    return await this.#call("replica.verify", options, ({ verifier }, signal) => verifier.run(options, signal));
  }

  /** Has the replica filled from the start of the feed again, and its rows compared: what is there already stays. */
  async backfill(call: ReplicaCall = {}): Promise<ReplicaReport> {
    return await this.#call("replica.backfill", call, async (parts, signal) => {
      await this.#beginnings.add(() => this.#beginAnew(parts, signal));
      parts.wake();
      return await parts.report(signal);
    });
  }

  async #beginAnew(parts: ReplicaParts, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const writer = `${parts.holder}/${newUlid()}`;
    await callSide(parts, parts.replica, signal, async (sql) => {
      // One transaction: the process that replicates would claim the writing again in between.
      await sql`begin`;
      await cursors.claimWriting(sql, writer);
      const state = await cursors.readReplicaCursor(sql);
      if (state === null) throw new ReplicaNotNowError("it has no place yet: replication has not begun");
      // Nothing arrives any more, and with the place goes what proves that the primary has what did.
      const { epoch, mark } = await parts.proof.renew(state, signal);
      const anew = { epoch, pruned: await parts.feed.pruned(signal), compares: "epoch", mark } as const;
      if (!(await cursors.beginAnew(sql, writer, anew)))
        throw new ReplicaNotNowError("another process writes to it: send the order again");
      await sql`commit`;
    });
  }

  async #call<T>(
    name: string,
    call: ReplicaCall,
    work: (parts: ReplicaParts, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const parts = this.#parts;
    if (parts === null)
      throw new ConfigurationError("there is no replica: set replica.enabled and replica.postgresUrl");
    return await this.#run(name, call, (signal) => work(parts, signal));
  }
}

function unknownLetter(id: string): NotFoundError {
  return new NotFoundError(`there is no dead letter ${JSON.stringify(id)}: mnemosync replica dead-letters lists them`);
}
