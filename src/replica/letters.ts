import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import type { Comparing, Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { closeHole, listOvertaken, noteOvertaken } from "./hole-statements.ts";
import { claimDueLetters, failLetter, type Letter, reviveLetters, settleLetter } from "./letter-statements.ts";
import type { PrimaryProof } from "./primary-proof.ts";
import { isRefusal } from "./refusals.ts";
import { mendMemory } from "./resend.ts";
import type { ReplicaSettings } from "./settings.ts";

export interface LetterRetryParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly proof: Pick<PrimaryProof, "assert">;
  readonly settings: Pick<ReplicaSettings, "name" | "retriesMax" | "retryIntervalMs">;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Letters that one pass tries. */
const LETTERS_PER_PASS = 100;
const OVERTAKEN_MAX = 1_000;

/** Tries memories again that the replica refused, as the primary has them now. */
export class LetterRetries {
  readonly #parts: LetterRetryParts;

  constructor(parts: LetterRetryParts) {
    this.#parts = parts;
  }

  /**
   * One pass, of the process that replicates. Letters that it claimed and did not come to are due again after `retryIntervalMs`.
   * @returns whether more letters may be due.
   * @throws {EpochChangedError} The primary was put back: the next pass of replication sends everything again, and what is refused
   * then has all its attempts before it. @throws what else is no refusal.
   */
  async runOnce(fence: Fence, signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#parts;
    await this.#revive(signal);
    const due = await callSide(this.#parts, this.#parts.primary, signal, (sql) =>
      claimDueLetters(sql, settings.name, settings.retryIntervalMs, LETTERS_PER_PASS),
    );
    for (const letter of due) await this.#retry(fence, letter, signal);
    return due.length === LETTERS_PER_PASS;
  }

  /** A dead letter waits for an operator, but where the replica took a later change of the memory, it is tried again by itself. */
  async #revive(signal: AbortSignal): Promise<void> {
    const { primary, replica, settings } = this.#parts;
    const keys = await callSide(this.#parts, replica, signal, (sql) =>
      listOvertaken(sql, settings.name, OVERTAKEN_MAX),
    );
    if (keys.length === 0) return;
    await callSide(this.#parts, primary, signal, (sql) => reviveLetters(sql, settings.name, keys));
    await callSide(this.#parts, replica, signal, (sql) => noteOvertaken(sql, settings.name, keys));
  }

  async #retry(fence: Fence, letter: Letter, signal: AbortSignal): Promise<void> {
    const { primary, replica, settings, log } = this.#parts;
    const { id, namespace, memoryId, attempts } = letter;
    try {
      await mendMemory(this.#parts, fence, letter, comparingOf(letter), signal);
      // The hole first, since it hides the memory from reads: a letter without a hole is only tried again.
      if (!(await callSide(this.#parts, replica, signal, (sql) => closeHole(sql, fence, settings.name, letter))))
        throw new FencedError();
      await callSide(this.#parts, primary, signal, (sql) => settleLetter(sql, letter));
      log.info({ namespace, memoryId, attempts }, "replica.letter_delivered");
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The first attempt was no retry.
      await callSide(this.#parts, primary, signal, (sql) =>
        failLetter(sql, id, error.message, settings.retriesMax + 1),
      );
      if (attempts > settings.retriesMax)
        log.error({ namespace, memoryId, error: error.message }, "replica.letter_dead");
    }
  }
}

/** What becomes of a row that the primary does not know: of a letter of a comparison that comparison's word, else it has ended. */
function comparingOf({ data }: Letter): Comparing {
  const { compares = "pruned" } = JSON.parse(data) as { compares?: Comparing };
  return compares;
}
