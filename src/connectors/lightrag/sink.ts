import { backoffCeilingMs } from "../../runtime/backoff.ts";
import type { Delivery, SentText, Settlement, Sink } from "../run/sink.ts";
import { ServiceError } from "../service/service-error.ts";
import type { LightRagClient } from "./client.ts";
import { Inventory } from "./inventory.ts";
import { judge, type Receipt, type Verdict } from "./judge.ts";
import { type DocumentKey, documentName } from "./names.ts";
import { documentText } from "./text.ts";

/** What became of a text; where it is delivered, with the id of its document. */
type RagSettlement =
  | Exclude<Settlement<Receipt>, { outcome: "delivered" }>
  | { readonly outcome: "delivered"; readonly documentId: string };
/**
 * The next step for a text, by what the server says of it. `retry`: the server processes it again. `remove`: these documents are deleted
 * first; the outcome is `comesTo`.
 */
type Judged =
  | RagSettlement
  | { readonly outcome: "retry"; readonly receipt: Receipt }
  | {
      readonly outcome: "remove";
      readonly receipt: Receipt;
      readonly documentIds: readonly string[];
      readonly comesTo: RagSettlement;
    };

export interface LightRagSinkOptions {
  /** Names the connector: it is part of each document's name and text. @default "default" */
  readonly connectorId?: string;
  /** Times that the server is told to try a failed document again, before it counts as failed for good. 0 … 100. @default 5 */
  readonly retriesMax?: number;
  /** Milliseconds of the first wait between two of these requests; it doubles. @default 5_000 */
  readonly retryBaseMs?: number;
  /** @default 300_000 */
  readonly retryMaxMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Milliseconds after which an insert that shows no document, or a document that an idle server leaves, is looked after. */
const PATIENCE_MS = 10_000;
/** The server may lose a document with its process up to a second and a half after it has taken it, processed or not. */
const DURABLE_MS = 2_000;
/** Receipts that are asked for one by one; for more than these one listing is cheaper. */
const SINGLE_MAX = 20;

/**
 * Delivers texts to one LightRAG server: a text counts as delivered once the server has processed it under its name, and as
 * deleted once it is gone from a complete listing and the server is idle. One writer per server: the lease is the caller's.
 */
export class LightRagSink implements Sink<Receipt> {
  readonly #client: LightRagClient;
  readonly #connectorId: string;
  readonly #retriesMax: number;
  readonly #backoff: { baseMs: number; maxMs: number };
  readonly #now: () => number;
  /** Names whose deletion has begun and is not known to be over. No text is sent meanwhile. */
  readonly #deleting = new Set<string>();
  /** Names of texts that were sent without an answer: the server may have them. */
  readonly #unanswered = new Set<string>();
  /** Requests to try failed documents again, in a row; and the time from which the next may be made. */
  #reprocessed = 0;
  #reprocessFrom = 0;

  constructor(client: LightRagClient, options: LightRagSinkOptions = {}) {
    this.#client = client;
    this.#connectorId = options.connectorId ?? "default";
    this.#retriesMax = options.retriesMax ?? 5;
    this.#backoff = { baseMs: options.retryBaseMs ?? 5_000, maxMs: options.retryMaxMs ?? 300_000 };
    this.#now = options.now ?? Date.now;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ping(signal);
  }

  nameOf(key: Omit<DocumentKey, "connectorId">): string {
    return documentName({ ...key, connectorId: this.#connectorId });
  }

  textOf(key: Omit<DocumentKey, "connectorId">, body: string): string | null {
    return documentText({ ...key, connectorId: this.#connectorId }, body);
  }

  async present(names: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (names.length === 0) return new Set();
    const inventory = await Inventory.read(this.#client, signal);
    return new Set(names.filter((name) => inventory.named(name).length > 0));
  }

  /** Sends one text. Never two of the same name at once: on 1.4 both would be stored. @throws {ServiceError} */
  async deliver({ name, text }: SentText, signal: AbortSignal): Promise<Delivery<Receipt>> {
    if (this.#deleting.size > 0) return { outcome: "later", reason: "a deletion is under way" };
    const receipt: Receipt = { name, trackId: null, sentAt: this.#now(), retries: 0, idleSince: null };
    let reason: string;
    let outcome: "later" | "same" = "later";
    try {
      const answer = await this.#client.insert(name, text, signal);
      if (answer.outcome === "sent") {
        this.#unanswered.delete(name);
        return { outcome: "sent", receipt: { ...receipt, trackId: answer.trackId || null } };
      }
      if (answer.outcome === "later") return { outcome: "later", reason: answer.reason };
      reason = answer.reason;
      outcome = "same";
    } catch (error) {
      // Without an answer the text may have been taken. A server that asks to wait has not.
      if (!(error instanceof ServiceError) || !error.retryable || error.status === 429) throw error;
      this.#unanswered.add(name);
      reason = error.message;
    }
    const inventory = await Inventory.read(this.#client, signal);
    if (inventory.named(name).length > 0)
      return this.#unanswered.delete(name) ? { outcome: "sent", receipt } : { outcome: "taken" };
    return { outcome, reason };
  }

  /** Looks after texts that were sent. In the order of `receipts`. @throws {ServiceError} */
  async settle(receipts: readonly Receipt[], signal: AbortSignal): Promise<RagSettlement[]> {
    const looked = await this.#look(receipts, signal);
    const isBusy = looked.every(({ verdict }) => verdict.kind === "delivered") || (await this.#client.isBusy(signal));
    const judged = looked.map(({ receipt, verdict, inventory }) => this.#judged(receipt, verdict, inventory, isBusy));
    const isWaiting = judged.some(({ outcome }) => outcome === "retry");
    const isRemoved = !isBusy && (await this.#removeAll(judged, signal));
    // A server that deletes is busy: it is told to try failed ones again by a later look.
    const isTried = isWaiting && !isBusy && !isRemoved && (await this.#reprocess(signal));
    if (!isWaiting) this.#reprocessed = 0;
    return judged.map((each): RagSettlement => {
      if (each.outcome === "remove") return isRemoved ? each.comesTo : { outcome: "open", receipt: each.receipt };
      if (each.outcome !== "retry") return each;
      const { receipt } = each;
      if (!isTried) return { outcome: "open", receipt };
      return { outcome: "open", receipt: { ...receipt, retries: receipt.retries + 1, idleSince: null } };
    });
  }

  /**
   * Deletes the documents of `names`. Call it again until it says that they are gone: the server answers long before they are.
   * @returns names that are not gone yet. @throws {ServiceError}
   */
  async remove(names: readonly string[], signal: AbortSignal): Promise<string[]> {
    const inventory = await Inventory.read(this.#client, signal);
    const isBusy = await this.#client.isBusy(signal);
    const left = names.filter((name) => inventory.named(name).length > 0);
    if (!isBusy) for (const name of names) if (!left.includes(name)) this.#deleting.delete(name);
    // A server takes documents off its listing before their deletion is over, and is busy until then.
    const open = names.filter((name) => left.includes(name) || (isBusy && this.#deleting.has(name)));
    if (left.length === 0) return open;
    const ids = [...new Set(left.flatMap((name) => inventory.named(name).map(({ id }) => id)))];
    if (!isBusy && (await this.#client.deleteDocuments(ids, signal))) for (const name of left) this.#deleting.add(name);
    return open;
  }

  /** Receipts with what the server shows for them: by their inserts, or by one listing where that is cheaper or needed. */
  async #look(receipts: readonly Receipt[], signal: AbortSignal) {
    const isFew = receipts.length <= SINGLE_MAX && receipts.every(({ trackId }) => trackId !== null);
    const tracked: Verdict[] = [];
    if (isFew) {
      for (const { name, trackId } of receipts) {
        tracked.push(judge(name, await this.#client.documentsOfTrack(trackId ?? "", signal)));
      }
    }
    const isOld = ({ sentAt }: Receipt) => this.#now() - sentAt > PATIENCE_MS;
    const needsListing = (receipt: Receipt, verdict: Verdict | undefined) =>
      verdict === undefined || verdict.kind === "duplicate" || (verdict.kind === "absent" && isOld(receipt));
    const inventory = receipts.some((receipt, index) => needsListing(receipt, tracked[index]))
      ? await Inventory.read(this.#client, signal)
      : null;
    return receipts.map((receipt, index) => {
      const found = tracked[index];
      const verdict =
        found !== undefined && found.kind !== "absent"
          ? found
          : judge(receipt.name, inventory?.named(receipt.name) ?? []);
      return { receipt, verdict, inventory };
    });
  }

  #judged(receipt: Receipt, verdict: Verdict, inventory: Inventory | null, isBusy: boolean): Judged {
    const now = this.#now();
    if (verdict.kind === "delivered") {
      const { documentId } = verdict;
      return now - receipt.sentAt < DURABLE_MS ? { outcome: "open", receipt } : { outcome: "delivered", documentId };
    }
    if (verdict.kind === "duplicate") return withoutDuplicate(receipt, verdict, inventory);
    if (verdict.kind === "absent") {
      return inventory !== null && now - receipt.sentAt > PATIENCE_MS
        ? { outcome: "lost" }
        : { outcome: "open", receipt };
    }
    if (verdict.kind === "failed") return this.#again(receipt, verdict.documentIds, verdict.error);
    if (isBusy) return { outcome: "open", receipt: { ...receipt, idleSince: null } };
    const waiting = { ...receipt, idleSince: receipt.idleSince ?? now };
    if (now - waiting.idleSince <= PATIENCE_MS) return { outcome: "open", receipt: waiting };
    return this.#again(waiting, verdict.documentIds, "the server does not work on it");
  }

  /** Another try, or the end: a failed document would be tried again with each insert, and blocks its name. */
  #again(receipt: Receipt, documentIds: readonly string[], reason: string): Judged {
    if (receipt.retries < this.#retriesMax) return { outcome: "retry", receipt };
    return { outcome: "remove", receipt, documentIds, comesTo: { outcome: "failed", reason } };
  }

  /** One request for all documents that go: the server is busy with it, and takes no other one meanwhile. @returns whether it began. */
  async #removeAll(judged: readonly Judged[], signal: AbortSignal): Promise<boolean> {
    const doomed = judged.filter((each) => each.outcome === "remove");
    const ids = [...new Set(doomed.flatMap(({ documentIds }) => documentIds))];
    if (ids.length === 0 || !(await this.#client.deleteDocuments(ids, signal))) return false;
    for (const { receipt, comesTo } of doomed) if (comesTo.outcome === "failed") this.#deleting.add(receipt.name);
    return true;
  }

  /** One request for all failed documents together, and after each a longer wait. @returns whether it was made. */
  async #reprocess(signal: AbortSignal): Promise<boolean> {
    if (this.#now() < this.#reprocessFrom) return false;
    await this.#client.reprocessFailed(signal);
    this.#reprocessed++;
    this.#reprocessFrom = this.#now() + backoffCeilingMs(this.#reprocessed, this.#backoff);
    return true;
  }
}

/** The text stands in another document: ours where it was sent twice, and then that one counts. */
function withoutDuplicate(
  receipt: Receipt,
  { documentId, originalId }: { readonly documentId: string; readonly originalId: string },
  inventory: Inventory | null,
): Judged {
  const sameAs = inventory?.withId(originalId)?.name;
  const reason = `the server has the same text as document ${originalId || "of another name"}`;
  return {
    outcome: "remove",
    receipt,
    documentIds: [documentId],
    comesTo:
      sameAs === receipt.name
        ? { outcome: "open", receipt: { ...receipt, trackId: null } }
        : { outcome: "failed", reason, sameAs },
  };
}
