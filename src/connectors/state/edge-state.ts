import { StoreRefusedError } from "../../domain/errors.ts";
import { ownIdentity, type ProcessIdentity } from "../../runtime/process-identity.ts";
import {
  type Checkpoint,
  type ConnectorState,
  type DeadLetter,
  type KnownItem,
  keptCounts,
  type RunRecord,
} from "./state.ts";

/** A run as the file keeps it: `record` is its JSON. */
interface StoredRun {
  readonly id: string;
  readonly state: string;
  readonly record: string;
}
type StoredItem = Omit<KnownItem, "state"> & { readonly state: string };
type Kept = "kept" | "lost" | "full";

/** What a state needs of an edge: `EdgeStore.connectors`. */
export interface ConnectorFile {
  begin(id: string, run: StoredRun, owner: ProcessIdentity, nowMs: number): Promise<string | null>;
  checkpoint(
    id: string,
    checkpoint: {
      readonly run: StoredRun;
      readonly items: readonly StoredItem[];
      readonly deadLetters: Checkpoint["deadLetters"];
      readonly settled: readonly string[];
    },
    nowMs: number,
  ): Promise<Kept>;
  end(id: string, run: StoredRun, cursor: number | null): Promise<Kept>;
  release(id: string, runId: string): Promise<void>;
  cursor(id: string): Promise<number | null>;
  items(id: string, itemIds: readonly string[]): Promise<readonly StoredItem[]>;
  unseen(id: string, runId: string, after: string, limit: number): Promise<readonly StoredItem[]>;
  inState(id: string, state: string, after: string, limit: number): Promise<readonly StoredItem[]>;
  countImported(id: string): Promise<number>;
  runs(id: string, limit: number): Promise<readonly string[]>;
  deadLetters(id: string, limit: number): Promise<readonly DeadLetter[]>;
  dropDeadLetters(id: string, itemIds: readonly string[]): Promise<number>;
}

/** The state of a connector in an edge's SQLite file. Processes share it: one of them at a time has a run. */
export class EdgeState implements ConnectorState {
  readonly #file: ConnectorFile;
  readonly #id: string;
  readonly #now: () => number;
  #runId: string | null = null;

  /** @param file `EdgeStore.connectors`; the edge stays the caller's. @param id of the connector. */
  constructor(file: ConnectorFile, id: string, now: () => number = Date.now) {
    this.#file = file;
    this.#id = id;
    this.#now = now;
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    const running = await this.#file.begin(this.#id, stored(run), ownIdentity(), this.#now());
    if (running !== null) return { running: recordOf(running) };
    this.#runId = run.id;
    return null;
  }

  async checkpoint({ run, items, deadLetters, settled }: Checkpoint): Promise<void> {
    const page = { run: stored(run), items, deadLetters, settled };
    this.#require(await this.#file.checkpoint(this.#id, page, this.#now()));
  }

  async end(run: RunRecord, cursor: number | null): Promise<void> {
    this.#require(await this.#file.end(this.#id, stored(run), cursor));
    this.#runId = null;
  }

  async cursor(): Promise<number | null> {
    return await this.#file.cursor(this.#id);
  }

  async items(ids: readonly string[]): Promise<ReadonlyMap<string, KnownItem>> {
    const found = (await this.#file.items(this.#id, ids)) as readonly KnownItem[];
    return new Map(found.map((item) => [item.id, item]));
  }

  async unseen(runId: string, after: string, limit: number): Promise<readonly KnownItem[]> {
    return (await this.#file.unseen(this.#id, runId, after, limit)) as readonly KnownItem[];
  }

  async inState(state: KnownItem["state"], after: string, limit: number): Promise<readonly KnownItem[]> {
    return (await this.#file.inState(this.#id, state, after, limit)) as readonly KnownItem[];
  }

  async countImported(): Promise<number> {
    return await this.#file.countImported(this.#id);
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return (await this.#file.runs(this.#id, limit)).map(recordOf);
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return await this.#file.deadLetters(this.#id, limit);
  }

  async dropDeadLetters(itemIds: readonly string[]): Promise<number> {
    return await this.#file.dropDeadLetters(this.#id, itemIds);
  }

  /** Gives the connector free, where a run of this state did not end. */
  async close(): Promise<void> {
    if (this.#runId !== null) await this.#file.release(this.#id, this.#runId);
    this.#runId = null;
  }

  #require(kept: Kept): void {
    if (kept === "kept") return;
    const reason =
      kept === "full"
        ? "it has 10,000 dead letters: replay or drop them first"
        : "another process has taken it, because this one was not heard of for an hour";
    throw new StoreRefusedError("connector", reason);
  }
}

function recordOf(text: string): RunRecord {
  const run = JSON.parse(text) as RunRecord;
  return { ...run, counts: keptCounts(run.counts) };
}

function stored(run: RunRecord): StoredRun {
  return { id: run.id, state: run.state, record: JSON.stringify(run) };
}
