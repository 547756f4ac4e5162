import { pause } from "../../../src/dev/wait.ts";
import type { MemorySynchronizer, MnemosyncError, Privacy } from "../../../src/index.ts";
import type { Random } from "../../support/random.ts";
import { Tally } from "../edge/faults.ts";
import type { Gate } from "./gate.ts";
import { type Entry, type Model, now } from "./model.ts";

/** In the content of memories that may not leave the primary with it. */
export const SECRET = "secret";

const WRITERS = 4;
/** Hot memories per writer. */
const SLOTS = 10;
/** Every so many slots one is open: its memories are never erased, and always leave in full, so nothing excuses that a version of them is not kept. */
const OPEN_EVERY = 2;
/** One write in so many is of a cold memory: what is lost of it stays lost, since nothing else is written to it for long. */
const COLD_ONE_IN = 100;
/** Cold memories per writer, taken in turns. */
const COLD = 10;
/** Of 100 throws: those from the first bound to below the second one have content erased or withheld, which no open slot does. */
const WITHDRAWS_FROM = 14;
const WITHDRAWS_BELOW = 27;
/** Milliseconds between two writes of a writer, at most. */
const PACE_MS = 40;

interface Write {
  readonly isErasure: boolean;
  /** Null: a deletion. */
  readonly content: string | null;
  readonly privacy: Privacy;
  readonly expiresAt: number | null;
}

const PUT = { isErasure: false, privacy: "full", expiresAt: null } as const;

/** Writes hot memories all the time, a cold one at times, and tells the model what was answered. Each memory has one writer. */
export class Writers {
  /** Writes that were acknowledged, by kind. */
  readonly counts = new Tally();
  /** Writes that failed, or whose outcome is unknown, by code. */
  readonly failures = new Tally();
  readonly #sync: MemorySynchronizer;
  readonly #model: Model;
  readonly #gate: Gate;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  /** How often each slot has got a new memory: the one before was erased. */
  readonly #generations = new Map<number, number>();
  /** Cold memories that each writer has written. */
  readonly #turns = new Map<number, number>();
  #writes = 0;

  constructor(parts: { sync: MemorySynchronizer; model: Model; gate: Gate; random: Random }) {
    this.#sync = parts.sync;
    this.#model = parts.model;
    this.#gate = parts.gate;
    this.#random = parts.random;
    this.#running = Promise.all(Array.from({ length: WRITERS }, (_, number) => this.#run(number)));
  }

  /** A memory that is written now. */
  hotId(): string {
    return this.#idOf(this.#random.below(WRITERS * SLOTS));
  }

  /** Resolves once the last write is answered. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(number: number): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#random.below(COLD_ONE_IN) === 0) await this.#gate.pass(() => this.#writeCold(number));
      const slot = number * SLOTS + this.#random.below(SLOTS);
      await this.#gate.pass(() => this.#write(slot));
      await pause(this.#random.below(PACE_MS));
    }
  }

  async #write(slot: number): Promise<void> {
    const memoryId = this.#idOf(slot);
    const write = this.#choose(memoryId, slot % OPEN_EVERY === 0);
    // An erased id is never written again.
    if (write.isErasure) this.#generations.set(slot, (this.#generations.get(slot) ?? 0) + 1);
    await this.#send(memoryId, write);
  }

  async #writeCold(number: number): Promise<void> {
    const turn = this.#turns.get(number) ?? 0;
    this.#turns.set(number, turn + 1);
    const memoryId = `cold${number}x${turn % COLD}`;
    await this.#send(memoryId, { ...PUT, content: this.#text(memoryId) });
  }

  async #send(memoryId: string, write: Write): Promise<void> {
    const entry = this.#model.begin(memoryId, write);
    try {
      await this.#carryOut(memoryId, write);
      this.#model.end(entry, "done");
      this.counts.add(nameOf(write));
    } catch (error) {
      this.#failed(entry, write, error as MnemosyncError);
    }
  }

  async #carryOut(memoryId: string, { isErasure, content, privacy, expiresAt }: Write): Promise<void> {
    if (isErasure) await this.#sync.erase(memoryId, { signal: AbortSignal.timeout(30_000) });
    else if (content === null) await this.#sync.delete(memoryId);
    else {
      const ending = expiresAt === null ? {} : { expiresAt: new Date(expiresAt).toISOString() };
      await this.#sync.syncMemory(memoryId, { content, memoryType: "episodic", privacy, ...ending });
    }
  }

  #failed(entry: Entry, { isErasure }: Write, error: MnemosyncError): void {
    const { code = error.name } = error;
    // An erasure that was begun goes on by itself.
    const isOpen = isErasure || code === "COMMIT_OUTCOME_UNKNOWN" || code === "DEADLINE_EXCEEDED";
    this.#model.end(entry, isOpen ? "unknown" : "failed");
    this.failures.add(`${isOpen ? "unknown" : "failed"} ${code}`);
  }

  #choose(memoryId: string, isOpen: boolean): Write {
    const random = this.#random;
    const thrown = random.below(100);
    const dice = isOpen && thrown >= WITHDRAWS_FROM && thrown < WITHDRAWS_BELOW ? 99 : thrown;
    if (dice < WITHDRAWS_FROM) return { ...PUT, content: null };
    if (dice < 15) return { ...PUT, content: null, isErasure: true };
    if (dice < 21) return { ...PUT, content: this.#text(memoryId, SECRET), privacy: "redacted" };
    if (dice < WITHDRAWS_BELOW) return { ...PUT, content: this.#text(memoryId, SECRET), privacy: "local_only" };
    const content = this.#text(memoryId);
    if (dice < 40) return { ...PUT, content, expiresAt: Math.round(now()) + 300 + random.below(2_000) };
    return { ...PUT, content };
  }

  #text(memoryId: string, secret = ""): string {
    return `${memoryId} ${secret}w${++this.#writes}`;
  }

  #idOf(slot: number): string {
    return `m${slot}x${this.#generations.get(slot) ?? 0}`;
  }
}

function nameOf({ isErasure, content, privacy, expiresAt }: Write): string {
  if (isErasure) return "erase";
  if (content === null) return "delete";
  return privacy === "full" ? (expiresAt === null ? "put" : "expire") : privacy;
}
