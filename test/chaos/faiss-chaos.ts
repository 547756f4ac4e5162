import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StoreUnavailableError } from "../../src/domain/errors.ts";
import { keyText } from "../../src/domain/keys.ts";
import type { MemoryChange, PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import { Random } from "../support/random.ts";
import { MemorySource, put, randomVector, tombstone } from "../unit/faiss/support.ts";

export interface FaissChaosOptions {
  readonly seed: number;
  /** Times that the host is killed. */
  readonly kills: number;
  /** Milliseconds after which no further kill follows. */
  readonly budgetMs: number;
  readonly log: (line: string) => void;
}

export interface FaissChaosResult {
  readonly kills: number;
  readonly restarts: number;
  readonly publishes: number;
  readonly searches: number;
  /** Calls that were told that the host was away; each may or may not have been done. */
  readonly refusals: number;
  readonly violations: readonly string[];
}

const DIMENSION = 8;
const WRITERS = 3;
const IDS_PER_WRITER = 400;
const BATCH = 20;
const K = 10;
const CALL_MS = 30_000;

/**
 * Goal: a FAISS host that dies at any moment costs time, and nothing else. Method: writers, searchers and readers work on
 * without a pause while the host is killed with -9 again and again, while it serves, recovers, saves or builds an index.
 * What a call was told is held against what it may have been; at the end the index must equal the ledger bit by bit. The
 * seed fixes what is done, not when.
 */
export async function runFaissChaos({ seed, kills, budgetMs, log }: FaissChaosOptions): Promise<FaissChaosResult> {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-faiss-chaos-"));
  const world = new World(seed);
  const index = await FaissProjection.open(
    {
      directory,
      dimension: DIMENSION,
      factory: "HNSW8",
      mainRowsMin: 300,
      snapshotIntervalMs: 300,
      snapshotChangesMax: 2_000,
      hostBackoffMaxMs: 20,
    },
    { source: world.source, random: () => world.random.next() },
    AbortSignal.timeout(CALL_MS),
  );
  try {
    const work = [
      ...Array.from({ length: WRITERS }, (_, writer) => world.write(index, writer)),
      world.search(index),
      world.search(index),
      world.read(index),
    ];
    const killed = await killAgainAndAgain(index, world, kills, performance.now() + budgetMs, log);
    world.stop();
    // Every call has a deadline of its own: what is not settled by then never will be.
    const settled = await Promise.race([Promise.all(work).then(() => true), delay(2 * CALL_MS, false, { ref: false })]);
    if (!settled) world.violations.push(`calls are still unsettled ${2 * CALL_MS} ms after the last kill`);
    // The host of the last kill may not be known as dead yet, where no call was waiting for it.
    await untilServing(index);
    await world.verify(index);
    const { restarts } = await index.statistics(AbortSignal.timeout(CALL_MS));
    return { kills: killed, restarts, ...world.tally, violations: world.violations };
  } finally {
    world.stop();
    await index.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function killAgainAndAgain(
  index: FaissProjection,
  world: World,
  kills: number,
  deadline: number,
  log: (line: string) => void,
): Promise<number> {
  let killed = 0;
  while (killed < kills && performance.now() < deadline && world.violations.length === 0) {
    // A third of them hit a host that is only just being filled.
    if (world.random.next() < 0.67) await untilServing(index);
    await delay(Math.floor(world.random.next() * 250));
    const pid = index.hostPid;
    if (pid === null) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      continue; // It has just ended from the kill before.
    }
    killed++;
    if (killed % 20 === 0) log(`${killed} kills, ${JSON.stringify(world.tally)}`);
  }
  return killed;
}

/** Until a host serves; the one that was just killed may be found first. */
async function untilServing(index: FaissProjection): Promise<void> {
  const signal = AbortSignal.timeout(CALL_MS);
  while (!signal.aborted) {
    const served = await index.count(signal).then(
      () => true,
      () => false,
    );
    if (served) return;
    await delay(5); // A refusal may come at once.
  }
}

/** What was committed, what was acknowledged, and what may therefore be seen. */
class World {
  readonly source = new MemorySource();
  readonly random: Random;
  readonly violations: string[] = [];
  readonly tally = { publishes: 0, searches: 0, refusals: 0 };
  /** Every version that was ever committed. */
  readonly #versions = new Map<string, MemoryChange[]>();
  /** The newest version of each memory that a publish was acknowledged for. */
  readonly #acknowledged = new Map<string, MemoryChange>();
  #isStopped = false;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async write(index: FaissProjection, writer: number): Promise<void> {
    for (let round = 1; !this.#isStopped; round++) {
      const first = Math.floor(this.random.next() * IDS_PER_WRITER);
      const changes = Array.from({ length: BATCH }, (_, at) => this.#next(writer, (first + at) % IDS_PER_WRITER));
      this.source.commit(...changes);
      const token = `${writer}-${round}`;
      await this.#call(async (signal) => {
        if (round % 2 === 0) await index.prepare({ token, changes }, signal);
        const answers = await index.publish(changes, signal, token);
        this.tally.publishes++;
        if (answers.length !== changes.length) this.violations.push(`${answers.length} answers for ${changes.length}`);
        for (const change of changes) this.#acknowledged.set(keyText(change), change);
      });
    }
  }

  async search(index: FaissProjection): Promise<void> {
    while (!this.#isStopped) {
      const query = randomVector(() => this.random.next(), DIMENSION);
      const before = new Map(this.#acknowledged);
      const live = [...before.values()].filter(({ kind }) => kind === "put").length;
      await this.#call(async (signal) => {
        const hits = await index.search("default", query, K, signal);
        this.tally.searches++;
        // Memories that are being deleted at this moment may be missing.
        if (hits.length < Math.min(K, live - WRITERS * BATCH)) this.violations.push(`${hits.length} of ${live} found`);
        if (new Set(hits.map(({ memoryId }) => memoryId)).size < hits.length) this.violations.push("found twice");
        for (const hit of hits) {
          const text = keyText({ namespace: "default", memoryId: hit.memoryId });
          const committed = this.#versions.get(text)?.find(({ version }) => version === hit.version);
          const known = before.get(text)?.version ?? 0;
          const what = `${hit.memoryId} at version ${hit.version}`;
          if (committed === undefined || committed.kind !== "put") this.violations.push(`${what} was never written`);
          else if (committed.checksum !== hit.checksum) this.violations.push(`${what} has another checksum`);
          if (hit.version < known) this.violations.push(`${what} was found after ${known} was acknowledged`);
        }
      });
    }
  }

  async read(index: FaissProjection): Promise<void> {
    while (!this.#isStopped) {
      const some = [...this.#acknowledged.values()].filter(() => this.random.next() < 0.05);
      const before = some.map((change) => this.#acknowledged.get(keyText(change))?.version ?? 0);
      await this.#call(async (signal) => {
        const entries = await index.read(some, { data: false }, signal);
        for (const [at, change] of some.entries()) {
          const found = entries[at];
          const version = found == null || found.state === "malformed" ? 0 : found.version;
          if (version < (before[at] ?? 0)) this.violations.push(`${change.memoryId} was lost: ${version} is held`);
        }
      });
      if (some.length === 0) await delay(5);
    }
  }

  /** The index must be what the ledger says, bit by bit. */
  async verify(index: FaissProjection): Promise<void> {
    const signal = AbortSignal.timeout(2 * CALL_MS);
    await index.catchUp(signal);
    const keys = [...this.#versions.values()].map((versions) => versions.at(-1) as MemoryChange);
    const current = (await this.source.currentChanges(keys)) as MemoryChange[];
    const entries = await index.read(keys, { data: true }, signal);
    let live = 0;
    for (const [at, change] of current.entries()) {
      const entry = entries[at];
      if (entry?.state !== (change.kind === "put" ? "live" : "tombstone") || entry.version !== change.version) {
        this.violations.push(
          `at the end ${change.memoryId} is ${JSON.stringify(entry)}, not version ${change.version}`,
        );
        continue;
      }
      if (change.kind !== "put") continue;
      live++;
      const flaw = index.flaw(entry as LiveEntry, change);
      if (flaw !== null) this.violations.push(`at the end ${change.memoryId}: ${flaw}`);
    }
    const count = await index.count(signal);
    if (count !== live) this.violations.push(`at the end ${count} are live and not ${live}`);
  }

  /** The next version of a memory; one in ten is its end. */
  #next(writer: number, id: number): MemoryChange {
    const memoryId = `w${writer}-${id}`;
    const text = keyText({ namespace: "default", memoryId });
    const versions = this.#versions.get(text) ?? [];
    const version = (versions.at(-1)?.version ?? 0) + 1;
    let change: PutChange | MemoryChange = tombstone(memoryId, version);
    if (this.random.next() >= 0.1)
      change = put(
        memoryId,
        version,
        randomVector(() => this.random.next(), DIMENSION),
      );
    versions.push(change);
    this.#versions.set(text, versions);
    return change;
  }

  /** A call that may find the host away, and nothing worse. */
  async #call(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(AbortSignal.timeout(CALL_MS));
    } catch (error) {
      this.tally.refusals++;
      if (!(error instanceof StoreUnavailableError)) this.violations.push(`a call failed with ${String(error)}`);
    }
  }
}
