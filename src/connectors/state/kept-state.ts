import * as z from "zod";
import { StoreRefusedError } from "../../domain/errors.ts";
import { lazily } from "../../domain/lazily.ts";
import type { RunContent } from "./run-file.ts";
import { RunLog } from "./run-log.ts";
import type { Checkpoint, DeadLetter, KnownItem } from "./state.ts";

/** Dead letters of one connector, at most: beyond that a run fails, since dropping one in silence would lose an item. */
const DEAD_LETTERS_MAX = 10_000;

const whole = lazily(() => z.int().min(0));
const countsSchema = lazily(() =>
  z.strictObject({
    ...{ read: whole(), created: whole(), updated: whole(), unchanged: whole() },
    ...{ deleted: whole(), erased: whole(), failed: whole() },
    // Files of older versions do not have them.
    ...{ media: whole().default(0), bytes: whole().default(0) },
  }),
);
export const runSchema = lazily(() =>
  z.strictObject({
    id: z.string(),
    state: z.enum(["running", "succeeded", "partial", "failed", "cancelled", "interrupted"]),
    scope: z.enum(["changes", "full", "replay"]),
    counts: countsSchema(),
    startedAt: z.number(),
    endedAt: z.number().nullable(),
    cursorBefore: z.union([z.number(), z.string()]).nullable(),
    cursorAfter: z.union([z.number(), z.string()]).nullable(),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  }),
);
const itemSchema = lazily(() =>
  z.strictObject({
    ...{ id: z.string(), memoryId: z.string(), hash: z.string(), seenIn: z.string() },
    state: z.enum(["imported", "erased", "refused", "deleted"]),
  }),
);
const letterSchema = lazily(() =>
  z.strictObject({
    ...{ itemId: z.string(), memoryId: z.string(), code: z.string(), reason: z.string() },
    ...{ attempts: whole(), at: z.number(), payload: z.string() },
  }),
);
const checkpointSchema = lazily(() =>
  z.strictObject({
    run: runSchema(),
    items: z.array(itemSchema()),
    deadLetters: z.array(letterSchema().omit({ attempts: true })),
    settled: z.array(z.string()),
  }),
);
const keptSchema = lazily(() =>
  z.strictObject({
    cursor: z.number().nullable(),
    runs: z.array(runSchema()),
    items: z.array(itemSchema()),
    deadLetters: z.array(letterSchema()),
  }),
);
type Kept = z.output<ReturnType<typeof keptSchema>>;

/** What a connector knows, in memory: the part that every state without a database has in common. */
export class KeptState implements RunContent {
  cursor: number | null;
  readonly runs: RunLog;
  readonly #items: Map<string, KnownItem>;
  readonly #deadLetters: Map<string, DeadLetter>;

  /** @param state as `toJSON` gave it; undefined: there is none yet. @returns null where it is damaged. */
  static parse(state: unknown): KeptState | null {
    const kept = keptSchema().safeParse(state ?? { cursor: null, runs: [], items: [], deadLetters: [] });
    return kept.success ? new KeptState(kept.data) : null;
  }

  private constructor(kept: Kept) {
    this.cursor = kept.cursor;
    this.runs = new RunLog(kept.runs);
    this.#items = new Map(kept.items.map((item) => [item.id, item]));
    this.#deadLetters = new Map(kept.deadLetters.map((letter) => [letter.itemId, letter]));
  }

  get deadLetters(): readonly DeadLetter[] {
    return [...this.#deadLetters.values()];
  }

  item(id: string): KnownItem | undefined {
    return this.#items.get(id);
  }

  inState(wanted: KnownItem["state"]): readonly KnownItem[] {
    return [...this.#items.values()].filter(({ state }) => state === wanted);
  }

  /** @throws {StoreRefusedError} There are too many dead letters. Nothing was changed. */
  apply({ run, items, deadLetters, settled }: Checkpoint): void {
    const news = deadLetters.filter(({ itemId }) => !this.#deadLetters.has(itemId)).length;
    if (this.#deadLetters.size + news > DEAD_LETTERS_MAX) {
      throw new StoreRefusedError("connector", `it has ${DEAD_LETTERS_MAX} dead letters: replay or drop them first`);
    }
    this.runs.put(run);
    for (const item of items) this.#items.set(item.id, item);
    for (const id of settled) this.#deadLetters.delete(id);
    for (const letter of deadLetters) {
      const attempts = (this.#deadLetters.get(letter.itemId)?.attempts ?? 0) + 1;
      this.#deadLetters.set(letter.itemId, { ...letter, attempts });
    }
  }

  replay(line: unknown): boolean {
    const checkpoint = checkpointSchema().safeParse(line);
    if (checkpoint.success) this.apply(checkpoint.data);
    return checkpoint.success;
  }

  dropDeadLetters(itemIds: readonly string[]): number {
    return itemIds.filter((id) => this.#deadLetters.delete(id)).length;
  }

  toJSON(): object {
    return {
      cursor: this.cursor,
      runs: this.runs,
      items: [...this.#items.values()],
      deadLetters: [...this.#deadLetters.values()],
    };
  }
}
