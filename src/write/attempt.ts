import { CommitOutcomeUnknownError, IdempotencyKeyReusedError, InternalError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { Backend } from "../drivers/postgres/postgres-access.ts";
import { isRefusal } from "../ledger/flight-statements.ts";
import type { KeyClaim, TakenKey } from "../ledger/idempotency-statements.ts";
import type { Claiming, LedgerTransaction } from "../ledger/ledger-transaction.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import type { AttemptChunk, AttemptParts, AttemptPlan, AttemptResult, Chunk } from "./attempt-result.ts";
import { repeatedAnswer, summarize } from "./decision-summary.ts";
import { settleInDoubt } from "./in-doubt.ts";
import { KnownRows, noteWritten } from "./known-rows.ts";
import { NewGuess } from "./new-guess.ts";
import { ownError } from "./own-error.ts";
import { assertDistinct, type Decision, isWrite, type WriteDecision } from "./plan.ts";
import { Preparation } from "./preparation.ts";
import { type AloneCommit, type RowsResult, setTime, writeRows } from "./rows.ts";

export type * from "./attempt-result.ts";

/** Steps 1 and 2 of the protocol: write the rows in Postgres, prepare in every projection meanwhile, commit. */
export function attemptsOf(parts: AttemptParts): AttemptChunk {
  const known = new KnownRows();
  const guessing = { newGuess: new NewGuess(), pushGuess: new NewGuess() };
  return async (chunk, plan) => {
    const attempt = new Attempt(parts, known, guessing, chunk, plan);
    const result = await attempt.run();
    if (result.kind !== "committed") await attempt.discard();
    return result;
  };
}

/** Memories of a chunk that stores are not asked about before, at most. Those of larger ones get their vectors while the rows are written. */
const UNPREPARED_MAX = 128;

/**
 * Whether the stores need not be asked before the commit. Under `degrade` a refusal would only leave the store out, as a publish that fails
 * does. A store whose last call failed is asked all the same, and again after a pause, so that what passes need not degrade the write.
 */
function isUnprepared({ preparesAlways = false }: AttemptParts, { intents }: Chunk, plan: AttemptPlan): boolean {
  if (preparesAlways || plan.preparesAll || intents.length > UNPREPARED_MAX) return false;
  return plan.gates.every(({ target, lastError }) => target.publishesUnprepared === true && lastError === null);
}

/** Whether memories are taken for new: of large chunks, and of changes that devices pushed. */
interface Guessing {
  readonly newGuess: NewGuess;
  readonly pushGuess: NewGuess;
}

class Attempt {
  readonly #parts: AttemptParts;
  readonly #known: KnownRows;
  readonly #guessing: Guessing;
  readonly #chunk: Chunk;
  readonly #plan: AttemptPlan;
  readonly #preparation: Preparation;
  readonly #isUnprepared: boolean;
  readonly #epoch: string | undefined;
  #decisions: readonly Decision[] = [];
  /** Set from the moment in which COMMIT is sent, until its answer. */
  #committing: Backend | null = null;
  #committedAt = 0;
  /** A write whose time the answer to its COMMIT tells. */
  #timeless: WriteDecision | null = null;
  /** Set once the attempt is reported as failed: a statement of it that still runs must not commit. */
  #abandoned = false;

  constructor(parts: AttemptParts, known: KnownRows, guessing: Guessing, chunk: Chunk, plan: AttemptPlan) {
    this.#parts = parts;
    this.#known = known;
    this.#guessing = guessing;
    this.#chunk = chunk;
    this.#plan = plan;
    this.#epoch = parts.ledger.knownEpoch;
    const { transactionId: token, preparesAll: everywhere } = plan;
    this.#isUnprepared = isUnprepared(parts, chunk, plan);
    const gates = this.#isUnprepared ? [] : plan.gates;
    this.#preparation = new Preparation({ token, gates, everywhere, timeoutMs: parts.prepareTimeoutMs });
  }

  async run(): Promise<AttemptResult> {
    try {
      assertDistinct(this.#chunk.intents);
      // A chunk serves many callers: none of them can end it, so no signal of a caller's comes here.
      const result = await this.#parts.ledger.transaction(NEVER, (transaction) => this.#write(transaction));
      return result.kind === "key_taken" ? await this.#answerFor(result.taken) : result;
    } catch (error) {
      this.#abandoned = true;
      return await this.#afterError(error);
    }
  }

  /** The transaction. A result that is not `committed` leaves it rolled back; a throw leaves it to its connection's end. */
  async #write(
    transaction: LedgerTransaction,
  ): Promise<AttemptResult | { kind: "key_taken"; taken: readonly TakenKey[] }> {
    const { onStep } = this.#parts;
    const claiming = this.#claiming();
    await onStep?.("starting");
    const rows = await this.#writeRows(transaction, claiming);
    if (rows.kind === "committed") {
      this.#decisions = rows.decisions;
      return this.#committed();
    }
    if (rows.kind === "nothing") {
      this.#decisions = rows.decisions;
      // Discards what was prepared on a guess.
      await Promise.all([transaction.rollback(), this.#preparation.discard()]);
      return this.#committed();
    }
    if (rows.kind !== "written") {
      await transaction.rollback();
      return rows;
    }
    this.#decisions = rows.decisions;
    if (claiming !== undefined) await transaction.keepAnswer(claiming, rows.decisions.map(summarize));
    if (this.#parts.queuesForStores === true) {
      const written = rows.decisions.filter(isWrite).map(({ write }) => write);
      await transaction.queueForStores(written, this.#plan.transactionId);
    }
    await onStep?.("prepared");
    await this.#beginCommit(transaction.backend);
    await transaction.commit();
    return this.#committed();
  }

  /** Before COMMIT is sent. */
  async #beginCommit(backend: Backend): Promise<void> {
    await this.#parts.onStep?.("committing");
    if (this.#abandoned)
      throw new InternalError("the attempt had already been reported as failed when it reached its commit");
    this.#committing = backend;
    this.#committedAt = performance.now();
  }

  /** Whether the row of a lone memory may go with its COMMIT: nothing else has to be in the transaction, or to be known before. */
  get #mayGoAlone(): boolean {
    const { intents, claim } = this.#chunk;
    return this.#isUnprepared && intents.length === 1 && claim === null && this.#parts.queuesForStores !== true;
  }

  #writeRows(transaction: LedgerTransaction, claiming: Claiming | undefined): Promise<RowsResult> {
    const { ledger, storeVersions, endsUnknown = false, onStep } = this.#parts;
    const { intents, atomic } = this.#chunk;
    const { transactionId, optimistic, guessesNew } = this.#plan;
    const { nodeId } = ledger;
    const token = { transactionId, optimistic, nodeId, storeVersions };
    const [known, preparation] = [this.#known, this.#preparation];
    const guessing = guessesNew ? this.#guessing : { newGuess: undefined };
    const guesses = { known, ...guessing, endsUnknown };
    const alone = this.#mayGoAlone ? this.#aloneCommit(transaction) : undefined;
    return writeRows({ transaction, intents, atomic, claiming, token, preparation, ...guesses, onStep, alone });
  }

  #aloneCommit({ backend }: LedgerTransaction): AloneCommit {
    return {
      beginning: async (decision) => {
        await this.#beginCommit(backend);
        this.#decisions = [decision];
        this.#timeless = decision;
      },
      ended: () => {
        this.#committing = null;
        this.#decisions = [];
        this.#timeless = null;
      },
    };
  }

  #committed(): AttemptResult {
    this.#committing = null;
    const { transactionId, gates } = this.#plan;
    const { token } = this.#preparation;
    const keepsAnswer = this.#chunk.claim !== null;
    const committedAt = this.#committedAt;
    const decisions = this.#decisions;
    const epoch = this.#epoch;
    noteWritten(this.#known, decisions, transactionId);
    return { kind: "committed", chunk: { transactionId, keepsAnswer, decisions, gates, token, epoch, committedAt } };
  }

  #claiming(): Claiming | undefined {
    const { claim } = this.#chunk;
    return claim === null ? undefined : { claim, transactionId: this.#plan.transactionId };
  }

  /** The answer for a taken key. Nearly always one transaction has it. */
  async #answerFor(taken: readonly TakenKey[]): Promise<AttemptResult> {
    const { ledger, storeIds } = this.#parts;
    const { intents } = this.#chunk;
    const claim = this.#chunk.claim as KeyClaim;
    const [first] = taken;
    if (first === undefined) return { kind: "raced" }; // The key was pruned between two statements and is free now.
    const answers = taken.map((key) => repeatedAnswer(key, claim, intents));
    const [answer] = answers;
    if (answer == null || answers.includes(null)) {
      return { kind: "key_reused", error: new IdempotencyKeyReusedError(claim.key) };
    }
    const keys = intents.map((intent) => intent.key);
    const pending = await ledger.readPendingStores(first.transactionId, keys, storeIds, NEVER);
    return { kind: "repeated", first: answer, pending };
  }

  /** The transaction ended with an error: of the ledger's, or of a step. */
  async #afterError(error: unknown): Promise<AttemptResult> {
    const failed: AttemptResult = { kind: "failed", error: ownError(error) };
    const backend = this.#committing;
    // A statement that the server refused is rolled back. What it says at its own end (FATAL, PANIC) may come behind the commit.
    if (backend === null || (failed.error.code === "STORE_REFUSED" && isRefusal(failed.error.cause))) return failed;
    const { ledger, inDoubtTimeoutMs } = this.#parts;
    const { transactionId } = this.#plan;
    const outcomeOf: typeof ledger.outcomeOf = async (...look) => {
      const found = await ledger.outcomeOf(...look);
      if (found === "committed" && this.#timeless !== null) await this.#readTime(this.#timeless, look[2]);
      return found;
    };
    const outcome = await settleInDoubt({ outcomeOf }, transactionId, backend, inDoubtTimeoutMs);
    if (outcome === "committed") return this.#committed();
    if (outcome === "aborted") return failed;
    const cause = outcome.unknown ?? error;
    return { kind: "failed", error: new CommitOutcomeUnknownError(transactionId, { cause }) };
  }

  /**
   * The stores must be given the time that the ledger has. Where a later version stands there and ours is kept no more, the later one's
   * time is the nearest on that clock; of a memory that is gone altogether nothing will be shown.
   */
  async #readTime(decision: WriteDecision, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#parts;
    const { write } = decision;
    const [own] = await ledger.readHistoryPage(write, write.version + 1, 1, signal);
    if (own?.version === write.version) return setTime(decision, own.modifiedAt);
    const current = (await ledger.readChanges([write], signal)).get(keyText(write));
    if (current !== undefined) setTime(decision, current.modifiedAt);
  }

  /** Discards the prepared batch in all projections. Where a projection gives no answer, the batch expires. */
  async discard(): Promise<void> {
    await this.#preparation.discard();
  }
}
