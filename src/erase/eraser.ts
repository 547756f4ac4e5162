import { InternalError, NotFoundError } from "../domain/errors.ts";
import { type Condition, type Filter, parseFilter } from "../domain/filter/filter.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { ErasureLedger } from "../ledger/erasure-ledger.ts";
import type { ErasureRow } from "../ledger/erasure-statements.ts";
import type { ContentLeft } from "../ledger/scrub-statements.ts";
import type { Finder } from "../read/finder.ts";
import { decodeListCursor, type ListScope } from "../read/list-cursor.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { OnEraseStep } from "./erase-step.ts";
import { scrubJobTexts } from "./job-texts.ts";
import { namedIds } from "./named-ids.ts";

export interface EraserParts {
  readonly ledger: Pick<
    ErasureLedger,
    | "readErasure"
    | "markAttempted"
    | "listForErasure"
    | "endListing"
    | "listToErase"
    | "readListed"
    | "scrubMemories"
    | "countContentLeft"
    | "markScrubbed"
    | "readJobTexts"
    | "replaceJobTexts"
    | "readErasedKeys"
  >;
  readonly finder: Pick<Finder, "list">;
  /** Writes one intent as part of some chunk. */
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
  readonly onStep?: OnEraseStep | undefined;
}

/** Figures of an erasure that runs. */
export interface EraseProgress {
  readonly listed: number;
  readonly erased: number;
}

/** Memories that are listed, or ended and scrubbed, at a time. */
const PAGE_SIZE = 500;
const CHUNK_SIZE = 100;
/** Milliseconds for a page of a filter that few memories pass. */
const PAGE_MS = 30_000;
/** Times that a memory may be revived while it is erased, and that content may come back into a table. */
const ROUNDS_MAX = 20;

/**
 * Erases from the ledger:
 *
 *   list ──► end each memory (a version like any other: stores and followers hear of it) ──► scrub its content ──► prove
 *
 * The list is durable before anything ends: a filter no longer finds a memory that has ended, and a killed erasure must
 * still scrub it. Each step may be repeated, so a run goes on from what the ledger says, whatever node began it.
 */
export class Eraser {
  readonly #parts: EraserParts;

  constructor(parts: EraserParts) {
    this.#parts = parts;
  }

  /** @throws {NotFoundError} There is no such erasure. */
  async run(id: string, signal: AbortSignal, onProgress: (figures: EraseProgress) => void): Promise<ErasureRow> {
    const { ledger, onStep } = this.#parts;
    const row = await this.#read(id, signal);
    if (row.scrubbedAt !== null) return row;
    await ledger.markAttempted(id, signal);
    await onStep?.("begun");
    if (row.listedAt === null) await this.#list(row, signal, onProgress);
    await this.#eraseListed(id, signal, onProgress);
    await scrubJobTexts(ledger, row.namespace, signal);
    await onStep?.("jobs_scrubbed");
    const proof = await this.#prove(id, signal);
    await ledger.markScrubbed(id, JSON.stringify(proof), signal);
    await onStep?.("proven");
    return await this.#read(id, signal);
  }

  async #list(row: ErasureRow, signal: AbortSignal, onProgress: (figures: EraseProgress) => void): Promise<void> {
    const { ledger, onStep } = this.#parts;
    const { id, kind, namespace, memoryId } = row;
    let listed = row.listed;
    const keep = async (memoryIds: readonly string[], after: string | null): Promise<void> => {
      const keys = memoryIds.map((each) => ({ namespace, memoryId: each }));
      await ledger.listForErasure(id, keys, after, signal);
      listed += keys.length;
      onProgress({ listed, erased: row.erased });
      await onStep?.("page_listed");
    };
    const condition = kind === "filter" ? conditionOf(row.filter) : null;
    const named = kind === "memory" ? [memoryId as string] : condition && namedIds(condition);
    if (named !== null) {
      for (let at = 0; at < named.length; at += PAGE_SIZE) await keep(named.slice(at, at + PAGE_SIZE), null);
    } else if (condition === null) await this.#listNamespace(namespace, row.listAfter, keep, signal);
    else await this.#listFiltered(namespace, condition, row.listAfter, keep, signal);
    await ledger.endListing(id, signal);
    await onStep?.("all_listed");
  }

  /** Ended memories too: their history is kept until now. */
  async #listNamespace(
    namespace: string,
    start: string | null,
    keep: (memoryIds: readonly string[], after: string | null) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (let after = start; ; ) {
      const page = await this.#parts.ledger.listToErase(namespace, after, PAGE_SIZE, signal);
      const last = page.at(-1);
      if (last === undefined) return;
      await keep(page, last);
      after = last;
    }
  }

  async #listFiltered(
    namespace: string,
    condition: Condition,
    start: string | null,
    keep: (memoryIds: readonly string[], after: string | null) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const scope: ListScope = { namespace, condition, order: "memoryId" };
    const page = { limit: PAGE_SIZE, withEmbedding: false, timeoutMs: PAGE_MS };
    for (let after = start; ; ) {
      const place = after === null ? null : { memoryId: after, sort: null };
      const { memories, cursor } = await this.#parts.finder.list(scope, { ...page, after: place }, signal);
      after = cursor === null ? (memories.at(-1)?.memoryId ?? after) : decodeListCursor(cursor, scope).memoryId;
      await keep(
        memories.map(({ memoryId }) => memoryId),
        after,
      );
      if (cursor === null) return;
    }
  }

  async #eraseListed(id: string, signal: AbortSignal, onProgress: (figures: EraseProgress) => void): Promise<void> {
    const { ledger } = this.#parts;
    const { listed, erased: before } = await this.#read(id, signal);
    let erased = before;
    for (let rounds = 0, last = ""; ; ) {
      const keys = await ledger.readListed(id, null, "open", CHUNK_SIZE, signal);
      const [first] = keys;
      if (first === undefined) return;
      rounds = first.memoryId === last ? rounds + 1 : 0;
      if (rounds > ROUNDS_MAX)
        throw new InternalError(`a memory of erasure ${id} is written again each time it is erased`);
      last = first.memoryId;
      erased += await this.#eraseChunk(id, keys, signal);
      onProgress({ listed, erased });
    }
  }

  async #eraseChunk(id: string, keys: readonly MemoryKey[], signal: AbortSignal): Promise<number> {
    const { ledger, write, onStep } = this.#parts;
    const outcomes = await Promise.all(
      keys.map((key) =>
        write({ key, memory: null, expectedVersion: null, modifiedAt: null, ending: "erased" }, signal),
      ),
    );
    const failed = outcomes.find(({ status }) => status === "failed" || status === "conflict");
    if (failed !== undefined) throw failed.error ?? new InternalError("a memory could not be ended, without a reason");
    await onStep?.("memories_ended");
    const scrubbed = await ledger.scrubMemories(id, keys, signal);
    await onStep?.("memories_scrubbed");
    return scrubbed;
  }

  /** Looks for what may have come back meanwhile, from work that had read a memory before it was erased. */
  async #prove(id: string, signal: AbortSignal): Promise<ContentLeft> {
    const { ledger } = this.#parts;
    for (let round = 1; ; round++) {
      const left = await ledger.countContentLeft(id, signal);
      if (Object.values(left).every((rows) => rows === 0)) return left;
      if (round === ROUNDS_MAX) {
        throw new InternalError(`the ledger still holds content of erasure ${id}: ${JSON.stringify(left)}`);
      }
      for (let after: string | null = null; ; ) {
        const keys: MemoryKey[] = await ledger.readListed(id, after, "all", CHUNK_SIZE, signal);
        if (keys.length === 0) break;
        await this.#eraseChunk(id, keys, signal);
        after = keys.at(-1)?.memoryId ?? null;
      }
    }
  }

  async #read(id: string, signal: AbortSignal): Promise<ErasureRow> {
    const row = await this.#parts.ledger.readErasure(id, signal);
    if (row === null) throw new NotFoundError(`there is no erasure ${JSON.stringify(id)}`);
    return row;
  }
}

function conditionOf(filter: string | null): Condition {
  if (filter === null) throw new InternalError("an erasure by filter lost its filter before its memories were listed");
  return parseFilter(JSON.parse(filter) as Filter);
}
