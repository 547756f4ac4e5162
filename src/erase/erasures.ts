import {
  InternalError,
  NotFoundError,
  QueueFullError,
  StoreUnavailableError,
  ValidationError,
} from "../domain/errors.ts";
import { type Filter, parseFilter } from "../domain/filter/filter.ts";
import { textFlaw } from "../domain/json.ts";
import { compareUtf8, keyText, type MemoryKey } from "../domain/keys.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { Job } from "../jobs/job.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { ErasureLedger } from "../ledger/erasure-ledger.ts";
import type { ErasureKind } from "../ledger/erasure-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Finder } from "../read/finder.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import { ERASE } from "./erase-kind.ts";
import type { OnEraseStep } from "./erase-step.ts";
import { namedIds } from "./named-ids.ts";
import { ACTOR_LENGTH_MAX, ERASURES_PAGE_MAX, type ErasePreview, REASON_LENGTH_MAX } from "./options.ts";
import { type Erasure, receiptOf } from "./receipt.ts";
import { encodeSuppressedCursor, type SuppressedPage } from "./suppressed.ts";

export interface ErasuresParts {
  readonly erasures: Pick<
    ErasureLedger,
    | "insertErasure"
    | "readReceipts"
    | "listStalledErasures"
    | "listToErase"
    | "readErasedKeys"
    | "dropSuppressed"
    | "listSuppressed"
  >;
  readonly ledger: Pick<LedgerStore, "nodeId" | "readVersions">;
  readonly jobs: Pick<Jobs, "start" | "enqueue" | "changes">;
  readonly finder: Pick<Finder, "list" | "count">;
  readonly onStep?: OnEraseStep | undefined;
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
}

/** A checked request. */
export interface EraseRequest {
  readonly kind: ErasureKind;
  readonly namespace: string;
  readonly memoryId: string | null;
  readonly where: Filter | null;
  readonly actor: string | null;
  readonly reason: string | null;
  /** Whose limit of open erasures it counts to; null: only the namespace's counts. */
  readonly owner: string | null;
}

const PREVIEW_IDS_MAX = 100;
const PREVIEW_PAGE = 10_000;
/** Milliseconds for which a node that no longer runs is waited for, from when it ran last. */
const NODE_SEEN_MS = 30 * 86_400_000;
/** Milliseconds without an attempt after which an erasure is taken up again. */
const QUIET_MS = 600_000;
const STALLED_MAX = 100;
/**
 * Erasures of a namespace, and of an owner, that are not through: each has a job, and the jobs of a deployment are limited for
 * all tenants together. An owner may have many namespaces.
 */
const OPEN_MAX = 100;

/** Erasures of all nodes: requests, receipts, and what makes an erased id usable again. */
export class ErasureRequests {
  readonly #parts: ErasuresParts;

  constructor(parts: ErasuresParts) {
    this.#parts = parts;
  }

  /**
   * Keeps the request and starts its job, on this node where it has room.
   * @returns the erasure's id and the job.
   * @throws {QueueFullError} The namespace, or the owner, has `OPEN_MAX` open ones: nothing is kept.
   */
  async begin(request: EraseRequest, signal: AbortSignal): Promise<{ id: string; job: Job }> {
    const { erasures, ledger } = this.#parts;
    const { where, ...rest } = request;
    const id = newUlid();
    const filter = where === null ? null : JSON.stringify(where);
    const full = await erasures.insertErasure({ id, ...rest, filter, nodeId: ledger.nodeId }, OPEN_MAX, signal);
    if (full !== null) {
      const owner = full === "namespace" ? `namespace ${rest.namespace}` : `the owner of this key`;
      const message = `${owner} has ${OPEN_MAX} erasures that are not through, which is the limit: wait, or name`;
      throw new QueueFullError(
        OPEN_MAX,
        OPEN_MAX,
        `${message} several memories in one, e.g. {"memoryId":{"in":["m1","m2"]}}`,
      );
    }
    await this.#parts.onStep?.("requested");
    return { id, job: await this.#start(id, signal) };
  }

  /**
   * Waits until a job of `begin` has ended. @returns the receipt.
   * @throws the job's failure: the erasure stays open, and is taken up again by itself.
   */
  async settled({ id, job }: { id: string; job: Job }, signal: AbortSignal): Promise<Erasure> {
    let last = job;
    for await (const state of this.#parts.jobs.changes(job.id, { signal })) last = state;
    signal.throwIfAborted();
    if (last.state === "done") return await this.get(id, signal);
    const why = last.error?.message ?? `its job is ${last.state}`;
    const message = `erasure ${id} is not through: ${why}. It is taken up again within some minutes`;
    if (last.error?.code === "STORE_UNAVAILABLE") throw new StoreUnavailableError(LEDGER_ID, message);
    throw new InternalError(message);
  }

  /** @throws {NotFoundError} */
  async get(id: string, signal: AbortSignal): Promise<Erasure> {
    const query = { id, namespaces: null, before: null, limit: 1 };
    const [receipt] = await this.#parts.erasures.readReceipts(query, NODE_SEEN_MS, signal);
    if (receipt === undefined) throw new NotFoundError(`there is no erasure ${JSON.stringify(id)}`);
    return receiptOf(receipt);
  }

  /** Newest first. */
  async list(
    query: { namespaces: readonly string[] | null; before: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<Erasure[]> {
    const receipts = await this.#parts.erasures.readReceipts({ id: null, ...query }, NODE_SEEN_MS, signal);
    return receipts.map(receiptOf);
  }

  /** What a request would cover now. Writes nothing. */
  async preview(request: EraseRequest, signal: AbortSignal): Promise<ErasePreview> {
    const { kind, namespace, memoryId, where } = request;
    const condition = where === null ? null : parseFilter(where);
    const named = kind === "memory" ? [memoryId as string] : condition && namedIds(condition);
    if (named !== null) {
      const memoryIds = await this.#idsToErase(namespace, named, signal);
      return { kind, namespace, memories: memoryIds.length, memoryIds: memoryIds.slice(0, PREVIEW_IDS_MAX) };
    }
    if (condition === null) {
      const memoryIds: string[] = [];
      let memories = 0;
      for (let after: string | null = null; ; ) {
        const page: string[] = await this.#parts.erasures.listToErase(namespace, after, PREVIEW_PAGE, signal);
        if (memoryIds.length === 0) memoryIds.push(...page.slice(0, PREVIEW_IDS_MAX));
        memories += page.length;
        after = page.at(-1) ?? null;
        if (page.length < PREVIEW_PAGE) return { kind, namespace, memories, memoryIds };
      }
    }
    const { finder } = this.#parts;
    const memories = await finder.count(namespace, condition, signal);
    const page = { after: null, limit: PREVIEW_IDS_MAX, withEmbedding: false, timeoutMs: 30_000 };
    const first = await finder.list({ namespace, condition, order: "memoryId" }, page, signal);
    return { kind, namespace, memories, memoryIds: first.memories.map((memory) => memory.memoryId) };
  }

  /** Suppressed ids of a namespace, or of all, behind a key. */
  async suppressed(
    query: { namespace: string | null; after: MemoryKey | null; limit: number },
    signal: AbortSignal,
  ): Promise<SuppressedPage> {
    const { namespace, after, limit } = query;
    const rows = await this.#parts.erasures.listSuppressed(namespace, after, limit + 1, signal);
    const memories = rows.slice(0, limit).map(({ erasedAt, ...row }) => ({
      ...row,
      erasedAt: erasedAt === null ? null : Math.floor(erasedAt),
    }));
    const last = memories.at(-1);
    return { memories, cursor: rows.length > limit && last !== undefined ? encodeSuppressedCursor(last) : null };
  }

  /** Ends the suppression of an erased id, by a version like any other. @throws {NotFoundError} It is not erased. */
  async revive(key: MemoryKey, signal: AbortSignal): Promise<SyncOutcome> {
    const { erasures, write } = this.#parts;
    const erased = await erasures.readErasedKeys([key], signal);
    if (erased.length === 0) {
      throw new NotFoundError(`memory ${JSON.stringify(key.memoryId)} of ${key.namespace} is not erased`);
    }
    const revival = { key, memory: null, expectedVersion: null, modifiedAt: null, revives: true };
    const outcome = await write(revival, signal);
    if (outcome.status === "failed") throw outcome.error ?? new InternalError("a revival failed without a reason");
    await erasures.dropSuppressed([key], signal);
    return outcome;
  }

  /** Starts the jobs of erasures that no node works on. @returns how many. */
  async resume(signal: AbortSignal): Promise<number> {
    const stalled = await this.#parts.erasures.listStalledErasures(QUIET_MS, STALLED_MAX, signal);
    for (const erasureId of stalled) await this.#parts.jobs.enqueue(ERASE, { erasureId }, { signal });
    return stalled.length;
  }

  async #start(erasureId: string, signal: AbortSignal): Promise<Job> {
    const { jobs } = this.#parts;
    const started = await jobs.start(ERASE, { erasureId }, { signal });
    const kept = started.outcome === "full" ? await jobs.enqueue(ERASE, { erasureId }, { signal }) : started;
    if (kept.outcome !== "full") return kept.job;
    // The request is in the ledger: it is taken up by itself, as one whose node was lost.
    throw new QueueFullError(0, 0, `erasure ${erasureId} is accepted, and waits: there is no room for another job now`);
  }

  /** Those of the ids that the ledger knows and that are not erased, in order. */
  async #idsToErase(namespace: string, memoryIds: readonly string[], signal: AbortSignal): Promise<string[]> {
    const keys = memoryIds.map((memoryId) => ({ namespace, memoryId }));
    const versions = await this.#parts.ledger.readVersions(keys, signal);
    const erased = new Set((await this.#parts.erasures.readErasedKeys(keys, signal)).map(keyText));
    const toErase = keys.filter((key) => versions.has(keyText(key)) && !erased.has(keyText(key)));
    return toErase.map(({ memoryId }) => memoryId).sort(compareUtf8);
  }
}

/** @throws {ValidationError} A note is too long, or no text. */
export function checkNotes({ actor, reason }: { actor?: unknown; reason?: unknown }): {
  actor: string | null;
  reason: string | null;
} {
  return {
    actor: checkNote("actor", actor, ACTOR_LENGTH_MAX),
    reason: checkNote("reason", reason, REASON_LENGTH_MAX),
  };
}

function checkNote(name: string, value: unknown, lengthMax: number): string | null {
  if (value === undefined) return null;
  if (typeof value !== "string" || value === "") throw new ValidationError(name, "must be a text that is not empty");
  if (value.length > lengthMax) {
    throw new ValidationError(name, `has ${value.length} characters, and ${lengthMax} is the limit`);
  }
  const flaw = textFlaw(value);
  if (flaw !== null) throw new ValidationError(name, flaw);
  return value;
}

export { ERASURES_PAGE_MAX };
