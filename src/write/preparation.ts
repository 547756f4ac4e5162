import { InternalError, type MnemosyncError } from "../domain/errors.ts";
import { NEVER, withSharedDeadline } from "../runtime/shared-deadline.ts";
import { ownTurn } from "../runtime/turns.ts";
import { ownError } from "./own-error.ts";
import { changesFor, type WriteDecision } from "./plan.ts";
import { type CallBegin, countsAgainstStore, type StoreGate } from "./store-gate.ts";

/** Why a chunk was not prepared. */
export type Obstacle =
  | {
      readonly kind: "prepare_failed";
      readonly gate: StoreGate;
      readonly error: MnemosyncError;
      /** When the store was asked. */
      readonly begun: CallBegin;
    }
  | { readonly kind: "failed"; readonly error: MnemosyncError };

export interface PreparationPlan {
  /** Names the batch. */
  readonly token: string;
  readonly gates: readonly StoreGate[];
  /** Whether stores prepare also what does not concern them: under `reject` each must be able to take writes. */
  readonly everywhere: boolean;
  /** Milliseconds that a projection may take. */
  readonly timeoutMs: number;
}

/** Memories that are prepared in the turn of the event loop of their rows. The vectors of more take milliseconds to encode. */
const PREPARED_IN_ONE_TURN_MAX = 31;

/** The prepared batches of one attempt. */
export class Preparation {
  readonly #plan: PreparationPlan;
  #preparing: readonly StoreGate[] = [];
  #isDiscarded = false;

  constructor(plan: PreparationPlan) {
    this.#plan = plan;
  }

  /** Names the batch that the projections prepared; undefined: none was. */
  get token(): string | undefined {
    return this.#preparing.length > 0 ? this.#plan.token : undefined;
  }

  /**
   * Has every projection prepare what concerns it; of a large chunk, in a later turn of the event loop. Never rejects.
   * @returns the first obstacle; null: all accept the chunk.
   */
  async start(writing: readonly WriteDecision[]): Promise<Obstacle | null> {
    const { token, gates, everywhere, timeoutMs } = this.#plan;
    if (gates.length > 0 && writing.length > PREPARED_IN_ONE_TURN_MAX) await ownTurn();
    // A lost connection ends the attempt at once. Nothing would discard what is prepared from now on.
    if (this.#isDiscarded) {
      return { kind: "failed", error: new InternalError("the attempt had ended before its preparation began") };
    }
    const involved = gates
      .map((gate) => ({ gate, changes: changesFor(gate.target, writing) }))
      .filter(({ changes }) => everywhere || changes.length > 0);
    this.#preparing = involved.map(({ gate }) => gate);
    const failures = await withSharedDeadline(timeoutMs, NEVER, (signal) =>
      Promise.all(
        involved.map(async ({ gate, changes }): Promise<Obstacle | null> => {
          const begun = gate.begin();
          try {
            await gate.target.prepare({ token, changes }, signal);
            return null;
          } catch (error) {
            if (countsAgainstStore(error)) return { kind: "prepare_failed", gate, error, begun };
            return { kind: "failed", error: ownError(error) };
          }
        }),
      ),
    );
    return failures.find((failure) => failure !== null) ?? null;
  }

  /**
   * Discards the batch in all projections that have it, and prepares none any more. Where one gives no answer, the batch expires.
   * Never rejects.
   */
  async discard(): Promise<void> {
    this.#isDiscarded = true;
    if (this.#preparing.length === 0) return;
    const { token, timeoutMs } = this.#plan;
    await withSharedDeadline(timeoutMs, NEVER, (signal) =>
      Promise.allSettled(this.#preparing.map(({ target }) => target.discard(token, signal))),
    );
  }
}
