import { pause } from "../../../src/dev/wait.ts";
import type { Memory, MemorySynchronizer, MnemosyncError, ReadSources } from "../../../src/index.ts";
import type { Random } from "../../support/random.ts";
import type { Tally } from "../edge/faults.ts";
import type { Gate } from "./gate.ts";
import { type Model, now, type Shown, type Span } from "./model.ts";

export interface ReaderParts {
  readonly sync: MemorySynchronizer;
  /** Whether it shows what expired. */
  readonly archive: boolean;
  readonly model: Model;
  readonly gate: Gate;
  readonly random: Random;
  /** Answered reads, by operation and the replica's part in the answer. */
  readonly counts: Tally;
  /** Failed reads, by code. */
  readonly failures: Tally;
  readonly complain: (text: string) => void;
}

type ShownMemory = Pick<Memory, "memoryId" | "version" | "source"> & { readonly content?: string | undefined };

const PAGE_SIZE = 7;
const VERSIONS_MAX = 60;
/** Milliseconds between two reads of a reader, at most. */
const PACE_MS = 20;

/** Makes merged reads all the time, and holds each against the model: a read is right at some moment between its start and end. */
export class Reader {
  readonly #parts: ReaderParts;
  readonly #stopping = new AbortController();
  /** Highest version seen of each memory that the primary showed. */
  readonly #seen = new Map<string, number>();
  readonly #running: Promise<void>;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#running = this.#run();
  }

  /** The primary was put back: versions that were seen before prove nothing. */
  forget(): void {
    this.#seen.clear();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { gate, failures, random } = this.#parts;
    while (!this.#stopping.signal.aborted) {
      await gate.pass(async () => {
        try {
          await this.#read();
        } catch (error) {
          failures.add((error as MnemosyncError).code ?? String(error));
        }
      });
      await pause(random.below(PACE_MS));
    }
  }

  async #read(): Promise<void> {
    const { random, archive } = this.#parts;
    const dice = random.below(100);
    if (dice < 45) await this.#get();
    else if (dice < 60) await this.#getMany();
    else if (dice < 75) await this.#list();
    else if (dice < 85) await this.#count();
    else if (dice < 95 || archive) await this.#history();
    else await this.#search();
  }

  async #get(): Promise<void> {
    const id = this.#anyId();
    const from = now();
    const memory = await this.#parts.sync.get(id, { onSources: this.#onSources("get") });
    this.#judge("get", id, memory, { from, to: now() });
  }

  async #getMany(): Promise<void> {
    const ids = [...new Set(Array.from({ length: 8 }, () => this.#anyId()))];
    const from = now();
    const found = await this.#parts.sync.getMany(ids, { onSources: this.#onSources("getMany") });
    const span = { from, to: now() };
    for (const [at, id] of ids.entries()) this.#judge("getMany", id, found[at] ?? null, span);
  }

  async #list(): Promise<void> {
    const { sync, model, archive, complain } = this.#parts;
    const began = now();
    const shown = new Set<string>();
    for (let cursor: string | undefined; ; ) {
      const from = now();
      const page = await sync.list({
        limit: PAGE_SIZE,
        ...(cursor !== undefined && { cursor }),
        onSources: this.#onSources("list"),
      });
      const span = { from, to: now() };
      for (const memory of page.memories) {
        this.#judge("list", memory.memoryId, memory, span);
        // The archive may show at its own place what expired since the primary's page.
        if (shown.has(memory.memoryId) && !archive) complain(`list: ${memory.memoryId} is shown twice`);
        shown.add(memory.memoryId);
      }
      if (page.cursor === null) break;
      cursor = page.cursor;
    }
    const whole = { from: began, to: now() };
    for (const id of model.ids) {
      if (!shown.has(id) && model.isAlive(id, whole)) complain(`list: ${id} was there all the time, and is on no page`);
    }
  }

  async #count(): Promise<void> {
    const { sync, model, archive, complain } = this.#parts;
    const from = now();
    const { count } = await sync.count({ onSources: this.#onSources("count") });
    const span = { from, to: now() };
    const least = model.ids.filter((id) => model.isAlive(id, span)).length;
    const most = model.ids.filter((id) => model.mayBeShown(id, span, archive)).length;
    if (count < least || count > most) complain(`count: ${count} is not between ${least} and ${most}`);
  }

  async #history(): Promise<void> {
    const { sync, model, complain } = this.#parts;
    const id = this.#anyId();
    const from = now();
    const versions = await sync.history(id, { limit: VERSIONS_MAX, onSources: this.#onSources("history") });
    const entries = model.entriesOf(id);
    // One that a primary brought back may not be through: its content goes some time later.
    const isErased = entries.some(
      ({ isErasure, outcome, beganAt, endedAt }) => isErasure && outcome === "done" && beganAt > 0 && endedAt <= from,
    );
    for (const [at, { version, document }] of versions.entries()) {
      const before = versions[at - 1];
      if (before !== undefined && before.version <= version)
        complain(`history: ${id} has ${version} behind ${before.version}`);
      if (document === null || document.content === "" || document.content === undefined) continue;
      const { content } = document;
      if (isErased) complain(`history: ${id} shows ${content}, and was erased`);
      const why = model.judgeContent(id, content);
      if (why !== null) complain(`history: ${id} shows ${content}, ${why}`);
    }
  }

  async #search(): Promise<void> {
    const id = this.#anyId();
    const from = now();
    const { sync } = this.#parts;
    const results = await sync.search(id, { mode: "text", k: 5, onSources: this.#onSources("search") });
    const span = { from, to: now() };
    for (const { memory } of results) this.#judge("search", memory.memoryId, memory, span);
    if (!results.some(({ memory }) => memory.memoryId === id) && this.#parts.model.isAlive(id, span))
      this.#parts.complain(`search: ${id} was there, and is not found by its word`);
  }

  #judge(operation: string, memoryId: string, memory: ShownMemory | null, span: Span): void {
    const { model, archive, complain } = this.#parts;
    const shown: Shown | null =
      memory === null ? null : { content: memory.content ?? null, fromReplica: memory.source === "replica" };
    const why = model.judge(memoryId, shown, span, archive);
    if (why !== null)
      complain(`${operation}: ${memoryId}: ${why} (${span.from}-${span.to}, version ${memory?.version})`);
    if (memory === null || shown?.fromReplica !== false) return;
    const before = this.#seen.get(memoryId) ?? 0;
    if (memory.version < before) complain(`${operation}: ${memoryId} is at ${memory.version}, and was at ${before}`);
    this.#seen.set(memoryId, Math.max(before, memory.version));
  }

  #onSources(operation: string): (sources: ReadSources) => void {
    return ({ replica }) => this.#parts.counts.add(`${operation} ${replica}`);
  }

  /** Mostly one that is written now. */
  #anyId(): string {
    const { random, model } = this.#parts;
    const ids = model.ids;
    return ids.length === 0 ? "m0x0" : random.pick(ids);
  }
}
