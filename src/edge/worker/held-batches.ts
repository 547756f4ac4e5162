import { HubError } from "../../hub/protocol/codes.ts";
import type { PushChanges } from "../../hub/protocol/push.ts";
import type { RecordedAnswers } from "../file/answers.ts";
import type { Batch, HeldBatch } from "../file/batches.ts";
import type { FileCall } from "./file-port.ts";

/** Batches that are held at once: those under way, and some that were frozen and not sent after all. */
const HELD_MAX = 8;

/**
 * The changes of frozen batches, in the thread that sends them. The caller's thread handles their heads alone: the changes went there and
 * back again only to be sent from here.
 */
export class HeldBatches {
  readonly #batches = new Map<number, Batch["changes"]>();
  #last = 0;

  /** The answer to a call of the file, with the heads of the batch in it. */
  answerOf(name: FileCall, result: unknown): unknown {
    if (name === "freezeBatch") return this.#held(result as Batch | null);
    if (name !== "recordAnswers") return result;
    const recorded = result as RecordedAnswers;
    return { ...recorded, batch: this.#held(recorded.batch) };
  }

  /** The push with its changes. @throws {HubError} Later batches took its place: its changes stay frozen, and are sent anew. */
  take(push: PushChanges & Partial<Pick<HeldBatch, "held">>): PushChanges {
    const { held, ...others } = push;
    if (held === undefined) return push;
    const changes = this.#batches.get(held);
    this.#batches.delete(held);
    if (changes === undefined) throw new HubError("SYNC_CONNECTION", "the batch is no longer at hand");
    return { ...others, changes };
  }

  #held(batch: Batch | null): HeldBatch | null {
    if (batch === null) return null;
    const held = ++this.#last;
    this.#batches.set(held, batch.changes);
    if (this.#batches.size > HELD_MAX) this.#batches.delete(this.#batches.keys().next().value as number);
    const heads = batch.changes.map(({ key, namespace, memoryId, op }) => ({ key, namespace, memoryId, op }));
    return { ...batch, changes: [], heads, held };
  }
}
