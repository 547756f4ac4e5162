import type { MemoryKey } from "../domain/keys.ts";
import type { RegisteredStore } from "../ledger/store-statements.ts";
import { pause } from "../runtime/deadline.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { ownTurn } from "../runtime/turns.ts";
import type { CommittedChunk } from "./attempt.ts";
import type { Marker } from "./marker.ts";
import { changesFor, isWrite, type WriteDecision } from "./plan.ts";
import {
  confirmPublished,
  leftOut,
  NOT_RUN_HERE,
  type Publishing,
  type PublishParts,
  pendingWork,
  publishTo,
  type StorePublish,
  tellFailure,
} from "./publish.ts";
import type { StoreGate } from "./store-gate.ts";
import type { OnWriteStep, WriteStep } from "./write-step.ts";

export interface PublisherParts extends PublishParts {
  readonly gates: readonly StoreGate[];
  /** Shared stores of the deployment that this node does not run; its writes are queued for them. */
  readonly unattached: () => readonly RegisteredStore[];
  /** Called with every committed version. */
  readonly onCommitted: (key: MemoryKey, version: number) => void;
  /** Told of every transaction that was committed. */
  readonly onTransaction?: ((transactionId: string) => void) | undefined;
  /** Marks transactions whose changes all stores have. */
  readonly marker: Pick<Marker, "add">;
  readonly onStep?: OnWriteStep | undefined;
}

/** Changes that a store is told in the turn of the event loop in which the commit was answered. More of them take milliseconds to encode. */
const TOLD_IN_ONE_TURN_MAX = 31;
/** Milliseconds within which a publish must have failed to be tried again: the caller waits for the answer. */
const TOLD_AGAIN_WITHIN_MS = 1_000;
/** Milliseconds before that: a link that was cut connects anew after 100 of them. */
const TOLD_AGAIN_AFTER_MS = 250;

/** The state of a committed chunk in the stores. */
export interface PublishedChunk {
  /** One per store of this node; none where there was nothing to write. */
  readonly stores: readonly StorePublish[];
  /** Stores of the deployment that this node does not run: the chunk is queued for them. */
  readonly unattached: readonly RegisteredStore[];
}

/**
 * Step 3 of the protocol: shows a committed chunk in every store, queues it for the stores that did not take it, and
 * has the transaction marked. From the commit on nothing may make the write look as if it had failed, or be tried again.
 */
export class Publisher {
  readonly #parts: PublisherParts;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  async publish({
    transactionId,
    keepsAnswer,
    decisions,
    gates: takingPart,
    token,
    epoch,
    committedAt,
  }: CommittedChunk): Promise<PublishedChunk> {
    const writing = decisions.filter(isWrite);
    if (writing.length === 0) {
      // With a key its row was committed all the same, for the repeat to find.
      if (keepsAnswer) await confirmPublished(this.#parts, transactionId, []);
      return { stores: [], unattached: [] };
    }
    const { gates, onTransaction, onCommitted } = this.#parts;
    onTransaction?.(transactionId);
    for (const { write } of writing) onCommitted(write, write.version);
    await this.#reach("committed");
    let isFirst = true;
    const answers = await Promise.all(
      gates.map(async (gate) => {
        const changes = changesFor(gate.target, writing);
        if (changes.length > TOLD_IN_ONE_TURN_MAX) await ownTurn();
        const takesPart = takingPart.includes(gate) || changes.length === 0;
        const publishing = { changes, transactionId, token, epoch, committedAt };
        const answer = takesPart ? await this.#publishIn(gate, publishing) : leftOut(gate);
        if (isFirst) {
          isFirst = false;
          await this.#reach("publishing");
        }
        return { answer, pending: pendingWork(gate, changes, answer) };
      }),
    );
    await this.#reach("published");
    const unattached = this.#parts.unattached();
    const pending = [...answers.flatMap((store) => store.pending), ...pendingElsewhere(unattached, writing)];
    // What is not in some store is queued before the answer says so. Under a key a repeat asks the ledger for the stores.
    if (pending.length > 0 || keepsAnswer) await confirmPublished(this.#parts, transactionId, pending);
    else this.#parts.marker.add(transactionId);
    return { stores: answers.map(({ answer }) => answer), unattached };
  }

  /** A store that was not asked before the commit is told twice, where it fails at once: what passes need not degrade the write. */
  async #publishIn(gate: StoreGate, publishing: Publishing): Promise<StorePublish> {
    const startedAt = performance.now();
    let begun = gate.begin();
    let answer = await publishTo(this.#parts, gate, publishing);
    const mayPass = answer.failure?.retryable === true && performance.now() - startedAt < TOLD_AGAIN_WITHIN_MS;
    if (publishing.token === undefined && mayPass) {
      await pause(TOLD_AGAIN_AFTER_MS, NEVER);
      begun = gate.begin();
      answer = await publishTo(this.#parts, gate, publishing);
    }
    if (answer.failure !== null) tellFailure(this.#parts, gate, publishing, answer.failure, begun);
    return answer;
  }

  /** The chunk is committed: an error of the hook must not be reported as a failed write. */
  async #reach(step: WriteStep): Promise<void> {
    try {
      await this.#parts.onStep?.(step);
    } catch (error) {
      this.#parts.log.error({ step, error: (error as Error).message }, "write.step_failed");
    }
  }
}

function pendingElsewhere(unattached: readonly RegisteredStore[], writing: readonly WriteDecision[]) {
  return unattached.flatMap(({ id, documents }) => {
    const keys = writing.filter(({ vectors }) => documents || vectors).map(({ change }) => change);
    return keys.length === 0 ? [] : [{ store: { id, scope: "shared" as const }, keys, reason: NOT_RUN_HERE }];
  });
}
