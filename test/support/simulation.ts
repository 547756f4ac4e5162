import { Checker } from "../../src/consistency/check/checker.ts";
import { Pace } from "../../src/consistency/check/pace.ts";
import type { Finding } from "../../src/consistency/check/report.ts";
import { FEED_START } from "../../src/domain/change-source.ts";
import { type MnemosyncError, StoreRefusedError, StoreUnavailableError } from "../../src/domain/errors.ts";
import { keyText, type MemoryKey } from "../../src/domain/keys.ts";
import { encodeMemory } from "../../src/domain/memory.ts";
import type { StoreId } from "../../src/domain/store-id.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { attemptsOf } from "../../src/write/attempt.ts";
import { Backlog } from "../../src/write/backlog.ts";
import { Batcher } from "../../src/write/batcher.ts";
import { Marker } from "../../src/write/marker.ts";
import type { SyncOutcome } from "../../src/write/outcome.ts";
import { Outcomes } from "../../src/write/outcomes.ts";
import type { WriteIntent } from "../../src/write/plan.ts";
import { Publisher } from "../../src/write/publisher.ts";
import { StoreGate } from "../../src/write/store-gate.ts";
import { Writer } from "../../src/write/writer.ts";
import { InMemoryCheckRecords } from "./in-memory-check-records.ts";
import { InMemoryLedger } from "./in-memory-ledger.ts";
import { LedgerState } from "./in-memory-ledger-state.ts";
import { type EntryMap, InMemoryProjection } from "./in-memory-projection.ts";
import { Random } from "./random.ts";
import { STORE_VERSIONS } from "./store-traits.ts";

/** Logical milliseconds after which an unpublished transaction is overdue. */
export const PUBLISH_DEADLINE_MS = 30_000;

/** Real milliseconds without any progress after which a run counts as hung. */
const HUNG_MS = 10_000;

interface Waiting {
  readonly node: SimulatedNode;
  readonly resume: () => void;
}

/** A fault that the next operations of a name meet. */
interface PlannedFault {
  operation: string;
  times: number;
  refused: boolean;
}

/** A call that was made, and how it ended, if it did. */
export interface SimulatedCall {
  readonly intent: WriteIntent;
  outcome: SyncOutcome | null;
}

/**
 * The write path on stores in maps. Every operation of a store waits until the scheduler, driven by a seed, lets it take
 * effect, and again before its answer arrives: so all interleavings, and crashes between any two steps, can happen.
 */
export class Simulation {
  readonly ledger = new LedgerState(() => this.now);
  readonly redis: EntryMap = new Map();
  /** One index per node, by the node's name; it survives a crash, as a snapshot does. */
  readonly indexes = new Map<string, EntryMap>();
  readonly nodes: SimulatedNode[] = [];
  readonly calls: SimulatedCall[] = [];
  readonly faults: PlannedFault[] = [];
  /** Broken promises, in the order in which they were seen. */
  readonly violations: string[] = [];
  now = 1_000_000;
  readonly #random: Random;
  #waiting: Waiting[] = [];
  readonly #seenVersions = new Map<string, number>();

  constructor(seed: number, nodes: number) {
    this.#random = new Random(seed);
    for (let index = 0; index < nodes; index++) this.nodes.push(new SimulatedNode(this, `n${index}`));
  }

  /** What each operation of a store on `node` goes through. A dead node's never come back. */
  async interrupt(node: SimulatedNode, operation: string): Promise<void> {
    await new Promise<void>((resume) => {
      if (!node.crashed) this.#waiting.push({ node, resume });
    });
    const fault = this.faults.find((planned) => planned.operation === operation && planned.times > 0);
    if (fault === undefined) return;
    fault.times--;
    const store = operation.startsWith("ledger") ? "postgres" : (operation.split(" ")[0] as StoreId);
    // A refusal is an answer: it never stands for an operation that took effect, or may yet.
    const refused = fault.refused && !/ (answered|underway)$/.test(operation);
    throw refused ? new StoreRefusedError(store, "planned") : new StoreUnavailableError(store, "planned");
  }

  /** Lets `count` operations take effect, or fewer when nothing waits. */
  async step(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      this.#waiting = this.#waiting.filter(({ node }) => !node.crashed);
      if (this.#waiting.length === 0) return;
      const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
      next?.resume();
      await turn();
      this.#observe();
    }
  }

  /** Work that goes on beside the calls; how it fails is a violation, unless its node is killed before. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.violations.push(`background work failed: ${String(error)}`));
  }

  /** Runs everything until `promise` is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    done.catch(() => undefined); // Awaited below.
    let progressAt = performance.now();
    while (!settled) {
      await turn();
      if (this.isBusy) {
        await this.step(1);
        progressAt = performance.now();
      } else if (performance.now() - progressAt > HUNG_MS) {
        throw new Error("nothing moves any more, and a call is still out");
      } else {
        await new Promise((resolve) => setTimeout(resolve, 1)); // A retry waits for its real, short delay.
      }
    }
    return await done;
  }

  /** Whether an operation of a living node waits for the scheduler. */
  get isBusy(): boolean {
    return this.#waiting.some(({ node }) => !node.crashed);
  }

  /** Both laws, at every moment: only committed versions are shown, and none ever goes back. */
  #observe(): void {
    for (const [name, entries] of [["redis", this.redis] as const, ...this.indexes]) {
      for (const [text, entry] of entries) {
        const before = this.#seenVersions.get(`${name} ${text}`) ?? 0;
        if (entry.version < before) this.violations.push(`${name} went back from ${before} to ${entry.version}`);
        this.#seenVersions.set(`${name} ${text}`, entry.version);
        if (entry.state !== "live") continue;
        if (this.committedChecksum(entry, entry.version) !== entry.checksum) {
          this.violations.push(`${name} shows ${entry.memoryId} version ${entry.version}, which is not committed`);
        }
      }
    }
  }

  /** An outcome that says that a store has a version is held against that store at once. */
  believe(outcome: SyncOutcome, index: EntryMap): void {
    for (const [store, entries] of [["redis", this.redis] as const, ["faiss", index] as const]) {
      const held = entries.get(keyText(outcome))?.version ?? 0;
      if (outcome.stores[store] === "applied" && held < outcome.version) {
        this.violations.push(
          `told that ${store} has ${outcome.memoryId} version ${outcome.version}, and it has ${held}`,
        );
      }
    }
  }

  /** Undefined: the version was never committed. Null: it is a deletion. */
  committedChecksum(key: MemoryKey, version: number): string | null | undefined {
    const current = this.ledger.versions.get(keyText(key));
    if (current?.version === version) return current.checksum;
    return this.ledger.history.get(keyText(key))?.find((row) => row.version === version)?.checksum;
  }
}

/** One node's write path. */
export class SimulatedNode {
  readonly name: string;
  readonly #simulation: Simulation;
  readonly #ledger: InMemoryLedger;
  readonly #batcher: Batcher;
  readonly #backlog: Backlog;
  readonly #checker: Checker;
  readonly #index: InMemoryProjection;
  #cursor = FEED_START;
  crashed = false;

  constructor(simulation: Simulation, name: string) {
    this.#simulation = simulation;
    this.name = name;
    const interrupt = (operation: string) => simulation.interrupt(this, operation);
    const ledger = new InMemoryLedger(simulation.ledger, name, interrupt);
    const index = simulation.indexes.get(name) ?? new Map();
    simulation.indexes.set(name, index);
    this.#index = new InMemoryProjection("faiss", interrupt, index);
    const projections = [new InMemoryProjection("redis", interrupt, simulation.redis), this.#index];
    // Every second node sends a lone row with its COMMIT.
    for (const projection of projections) projection.publishesUnprepared = name.endsWith("0");
    const gates = projections.map((projection) => new StoreGate(projection, { probeIntervalMs: 0 }));
    simulation.ledger.stores.set("redis", { id: "redis", documents: true, filled: true });
    const outcomes = new Outcomes(projections);
    const shared = { ledger, gates, log: silentLog, publishTimeoutMs: 60_000 };
    // At once, beside the answer: when it takes effect is for the scheduler to say.
    const startTimer = (work: () => void): (() => void) => {
      queueMicrotask(work);
      return () => undefined;
    };
    const marker = new Marker({ ledger, log: silentLog, markTimeoutMs: 60_000, startTimer });
    const writer = new Writer({
      ...shared,
      attempt: attemptsOf({
        ledger,
        storeIds: outcomes.storeIds,
        storeVersions: STORE_VERSIONS,
        prepareTimeoutMs: 60_000,
        inDoubtTimeoutMs: 5_000,
      }),
      publisher: new Publisher({ ...shared, marker, unattached: () => [], onCommitted: () => undefined }),
      outcomes,
      ledgerGate: new StoreGate(
        { id: "postgres" as const, health: async () => ledger.health() },
        { probeIntervalMs: 0 },
      ),
      retriesMax: 2,
      retryDelayMs: 1,
      onStoreDown: "degrade",
    });
    this.#ledger = ledger;
    this.#batcher = new Batcher(writer, outcomes, { batchSize: 3, concurrency: 2 });
    const publishDeadlineMs = PUBLISH_DEADLINE_MS;
    this.#backlog = new Backlog({ ...shared, workerId: name, publishDeadlineMs, attemptsMax: 5, random: () => 0.5 });
    const now = (): number => simulation.now;
    this.#checker = new Checker({
      ledger,
      records: new InMemoryCheckRecords(name, now),
      projections,
      log: silentLog,
      overdueMs: publishDeadlineMs,
      pace: () => new Pace({ memoriesPerSecondMax: null, load: () => ({ eventLoopDelayMs: 0, postgresWaiting: 0 }) }),
      now,
    });
  }

  /** Begins a write; it goes on as the scheduler lets it. */
  begin(key: MemoryKey, content: string | null): Promise<void> {
    const document = {
      content: content ?? "",
      memoryType: "episodic",
      importance: 0.5,
      metadata: {},
      privacy: "full" as const,
    };
    const memory = content === null ? null : encodeMemory(key, document, Float32Array.of(1, content.length));
    const call: SimulatedCall = { intent: { key, memory, expectedVersion: null, modifiedAt: null }, outcome: null };
    this.#simulation.calls.push(call);
    return this.#batcher.write(call.intent, true).then((outcome) => {
      call.outcome = outcome;
      this.#simulation.believe(outcome, this.#index.entries);
    });
  }

  /** One turn of the background loop: backlog, then what other nodes wrote. A pass that a fault ends is none. */
  async drain(): Promise<void> {
    try {
      await this.#backlog.drain();
      await this.#catchUp();
    } catch (error) {
      if (!(error as MnemosyncError).retryable && (error as MnemosyncError).code !== "STORE_REFUSED") throw error;
    }
  }

  async #catchUp(): Promise<void> {
    const { signal } = new AbortController();
    for (;;) {
      const page = await this.#ledger.changesAfter(this.#cursor, 2, signal);
      if (page.headers.length === 0) return;
      const changes = await this.#ledger.currentChanges(page.headers, signal);
      await this.#index.publish(
        changes.filter((change) => change !== null),
        signal,
      );
      this.#cursor = page.cursor;
    }
  }

  async check(): Promise<readonly Finding[] | null> {
    try {
      return (await this.#checker.run({ scope: "deep" })).findings;
    } catch (error) {
      if (!(error as MnemosyncError).retryable && (error as MnemosyncError).code !== "STORE_REFUSED") throw error;
      return null; // A store could not be looked at, and nothing is claimed.
    }
  }

  /** SIGKILL: nothing of it goes on, and the server ends its transactions. */
  crash(): void {
    this.crashed = true;
    for (const transaction of this.#ledger.open) transaction.end();
  }
}

/** Everything that can go on without the scheduler goes on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
