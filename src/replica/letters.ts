import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import type { Fence } from "./cursor-statements.ts";
import { claimDueLetters, failLetter, type Letter, settleLetters } from "./letter-statements.ts";
import { isRefusal } from "./refusals.ts";
import { resendMemory } from "./resend.ts";
import type { ReplicaSettings } from "./settings.ts";

export interface LetterRetryParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly settings: Pick<ReplicaSettings, "name" | "retriesMax" | "retryIntervalMs">;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Letters that one pass tries. */
const LETTERS_PER_PASS = 100;

/** Tries memories again that the replica refused, as the primary has them now. */
export class LetterRetries {
  readonly #parts: LetterRetryParts;

  constructor(parts: LetterRetryParts) {
    this.#parts = parts;
  }

  /** One pass, of the process that replicates. @returns whether more letters may be due. @throws what is no refusal. */
  async runOnce(fence: Fence, signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#parts;
    const due = await callSide(this.#parts, this.#parts.primary, signal, (sql) =>
      claimDueLetters(sql, settings.name, settings.retryIntervalMs, LETTERS_PER_PASS),
    );
    for (const letter of due) await this.#retry(fence, letter, signal);
    return due.length === LETTERS_PER_PASS;
  }

  async #retry(fence: Fence, letter: Letter, signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#parts;
    const { id, namespace, memoryId, attempts } = letter;
    try {
      // What the primary no longer has needs no letter: its ending was told, or is found by the comparison.
      await resendMemory(this.#parts, fence, letter, signal);
      await callSide(this.#parts, this.#parts.primary, signal, (sql) => settleLetters(sql, settings.name, [letter]));
      log.info({ namespace, memoryId, attempts }, "replica.letter_delivered");
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The first attempt was no retry.
      await callSide(this.#parts, this.#parts.primary, signal, (sql) =>
        failLetter(sql, id, error.message, settings.retriesMax + 1),
      );
      if (attempts > settings.retriesMax)
        log.error({ namespace, memoryId, error: error.message }, "replica.letter_dead");
    }
  }
}
