import type { BenchContext, Scenario, ScenarioResult, Target } from "../harness/scenario.ts";
import { CONTENDERS, type ContenderName, type Searched } from "../peers/contender.ts";
import { Figures, LineUp, MAIN_PEER, OURS } from "../peers/line-up.ts";
import type { Stand } from "../peers/stand.ts";
import { verify } from "../support/report.ts";
import { median } from "../support/statistics.ts";

/** How much of everything. */
interface Size {
  readonly dimension: number;
  readonly names: readonly ContenderName[];
  readonly rounds: number;
  /** Memories of a round by batch size. */
  readonly added: ReadonlyMap<number, number>;
  /** Memories that are stored when searches, repeats, changes and deletions are measured. */
  readonly stored: number;
  readonly repeated: number;
  readonly changed: number;
  readonly removed: number;
  readonly searches: number;
}

/** Times fewer memories and searches in a round, for those that take so much longer. */
const FEWER: Readonly<Record<ContenderName, number>> = { mnemosync: 1, LangChain: 1, LangGraph: 2, mem0: 10 };
/** Single writes before those that count. The engine compiles their way meanwhile, which takes longer than one round. */
const SINGLE_WARM_UP = 4_000;
/** Milliseconds that searches take before those that count, at least one of them. */
const SEARCH_WARM_UP_MS = 3_000;
/** Milliseconds that filling one contender may take; its searches are measured at what is stored by then. */
const FILL_MAX_MS = 10_000;
const FILL_BATCH_SIZE = 500;
const ANSWERS = 10;
/** Ours over the main peer at the batch size that is best for that one. */
const RATIO_MIN = 2.5;
/** Ours over those that write single memories. */
const SINGLE_PEERS: readonly ContenderName[] = ["LangChain", "mem0"];
const SINGLE_RATIO_MIN = 1.5;
/** One search of ours over the main peer's. */
const SEARCH_RATIO_MAX = 1.2;

const QUICK: Size = {
  dimension: 384,
  names: [OURS, MAIN_PEER],
  rounds: 3,
  added: new Map([
    [1, 100],
    [100, 1_000],
    [500, 1_000],
  ]),
  stored: 2_000,
  repeated: 500,
  changed: 200,
  removed: 50,
  searches: 20,
};

const FULL: Size = {
  dimension: 384,
  names: CONTENDERS,
  rounds: 5,
  added: new Map([
    [1, 200],
    [100, 3_000],
    [500, 3_000],
  ]),
  stored: 10_000,
  repeated: 2_000,
  changed: 500,
  removed: 50,
  searches: 20,
};

const WIDE: Size = {
  ...FULL,
  dimension: 1_536,
  names: [OURS, MAIN_PEER],
  rounds: 3,
  added: new Map([
    [100, 1_500],
    [500, 1_500],
  ]),
  stored: 5_000,
};

const method = (what: string): string =>
  `${what} Same memories, same vectors, an embedder that costs nothing, same servers; each in a process of its own; ` +
  `in each round ours, then the others. What the stores hold is counted before a figure counts.`;

/** The contenders of one size, and how far each of them is. */
class Contest {
  readonly #size: Size;
  readonly #lineUp: LineUp;
  readonly #context: BenchContext;
  /** Memories that are stored, and the number of the next new one. */
  readonly #stored = new Map<ContenderName, number>();
  /** Measurements that are still to come, and share the time. */
  #toCome: number;
  readonly #next = new Map<ContenderName, number>();

  constructor(size: Size, lineUp: LineUp, context: BenchContext) {
    this.#size = size;
    this.#lineUp = lineUp;
    this.#context = context;
    // Batch sizes and searches; where everything is measured, repeats, changes and deletions too.
    this.#toCome = size.added.size + 1 + (size.dimension === FULL.dimension ? 3 : 0);
  }

  /** Each batch size begins with empty stores: not everybody is as fast in large ones. */
  async newMemories(): Promise<ScenarioResult> {
    const figures = new Figures("memories/s");
    for (const [batchSize, count] of this.#size.added) {
      await this.#each(async (stand) => {
        await this.#moveOn(stand);
        // To get warm: one round, or as many single writes for everybody.
        const warmUp = batchSize === 1 && !this.#context.quick ? SINGLE_WARM_UP : this.#fewer(stand, count);
        await this.#add(stand, warmUp, batchSize);
      });
      await this.#rounds([figures], async (stand) => {
        const added = this.#fewer(stand, count);
        figures.add(stand.name, batchesOf(batchSize), perSecond(added, await this.#add(stand, added, batchSize)));
        await this.#verify(stand);
      });
    }
    const title = `New memories, ${this.#size.dimension} numbers per vector`;
    const what =
      "New memories in bulk, into stores that were empty before a first round that does not count, and is longer for single ones. " +
      "Ours has four transactions under way, as by default.";
    const measures = figures.measures();
    return { title, method: method(what), measures, targets: this.#targets(figures) };
  }

  /** What is to be stored, and no more: into empty stores again. */
  async fill(): Promise<void> {
    await this.#each(async (stand) => {
      await this.#moveOn(stand);
      const endAt = performance.now() + FILL_MAX_MS;
      for (;;) {
        const missing = this.#size.stored - this.#storedOf(stand.name);
        if (missing <= 0 || performance.now() > endAt) break;
        await this.#add(stand, Math.min(missing, FILL_BATCH_SIZE), FILL_BATCH_SIZE);
      }
      await this.#verify(stand);
    });
  }

  async repeats(): Promise<ScenarioResult> {
    const figures = new Figures("memories/s");
    const { repeated } = this.#size;
    await this.#rounds([figures], async (stand) => {
      const sync = await stand.ask("sync", { from: 0, to: repeated, revision: 0, batchSize: FILL_BATCH_SIZE });
      if (sync === null) return;
      const { unchanged = 0, numSkipped = 0, put = 0 } = sync.account;
      verify(unchanged + numSkipped + put === repeated, `${stand.name} answered ${JSON.stringify(sync.account)}`);
      figures.add(stand.name, put > 0 ? "written again, as it cannot tell" : "", perSecond(repeated, sync.ms));
      await this.#verify(stand);
    });
    const title = `${repeated} memories that are stored already, unchanged`;
    const what = "mem0 is missing: what is added to it again is there twice.";
    return { title, method: method(what), measures: figures.measures(), targets: [] };
  }

  /** The first ones get another content in each round; searches, in the last part of the data, are not touched by it. */
  async changes(): Promise<ScenarioResult> {
    const figures = new Figures("memories/s");
    const { changed } = this.#size;
    await this.#rounds([figures], async (stand, round) => {
      const sync = await stand.ask("sync", { from: 0, to: changed, revision: round + 1, batchSize: FILL_BATCH_SIZE });
      if (sync === null) return;
      const { synced = 0, numAdded = 0, put = 0 } = sync.account;
      verify(synced + numAdded + put === changed, `${stand.name} answered ${JSON.stringify(sync.account)}`);
      figures.add(stand.name, "", perSecond(changed, sync.ms));
      await this.#verify(stand);
    });
    const title = `${changed} memories with another content`;
    const what = "Ours keeps the old version too. mem0 is missing: it updates by ids of its own, one at a time.";
    return { title, method: method(what), measures: figures.measures(), targets: [] };
  }

  async searches(): Promise<ScenarioResult[]> {
    const figures = new Figures("ms");
    const stalls = new Figures("ms");
    await this.#each(async (stand) => {
      const endAt = performance.now() + (this.#context.quick ? 0 : SEARCH_WARM_UP_MS);
      for (let round = 0; round === 0 || performance.now() < endAt; round++) {
        if ((await this.#search(stand, round)) === null) break;
      }
    });
    await this.#rounds([figures, stalls], async (stand, round) => {
      const stored = this.#storedOf(stand.name);
      const answer = await this.#search(stand, round);
      if (answer === null) return;
      figures.add(stand.name, `${stored} stored`, median(answer.ms));
      stalls.add(stand.name, `${stored} stored`, answer.stallMs);
    });
    const { dimension } = this.#size;
    const at = (name: ContenderName): number => median(figures.values(name, `${this.#storedOf(name)} stored`));
    const ratio = at(OURS) / at(MAIN_PEER);
    const target: Target = {
      what: `one search beside ${MAIN_PEER}'s, ${dimension} numbers`,
      ratio,
      bound: SEARCH_RATIO_MAX,
      kind: "at most",
    };
    const what =
      "One search after the other, after searches that do not count. Ours answers from another process and reads the memories from Redis.";
    const stall = "How long no other callback of the process could run, at worst, while one search was under way.";
    const about = { method: method(what), targets: [] };
    return [
      {
        ...about,
        targets: Number.isFinite(ratio) ? [target] : [],
        title: `Search for the ${ANSWERS} nearest, median of a round, ${dimension} numbers per vector`,
        measures: figures.measures(),
      },
      {
        ...about,
        title: `Longest stall of the event loop during a search, ${dimension} numbers per vector`,
        method: method(stall),
        measures: stalls.measures(),
      },
    ];
  }

  /** A round of searches, each of which must find its memory. Null: the contender has none. */
  async #search(stand: Stand, round: number): Promise<Searched | null> {
    const stored = this.#storedOf(stand.name);
    const searches = this.#fewer(stand, this.#size.searches);
    const numbers = Array.from({ length: searches }, (_, at) => stored - 1 - ((at * 97 + round) % (stored >> 1)));
    const answer = await stand.ask("search", { numbers, revision: 0, count: ANSWERS });
    if (answer === null) return null;
    verify(answer.right === searches, `${stand.name} found ${answer.right} of ${searches} memories by their content`);
    return answer;
  }

  async removals(): Promise<ScenarioResult> {
    const figures = new Figures("memories/s");
    const { removed } = this.#size;
    await this.#rounds([figures], async (stand, round) => {
      const from = this.#size.changed + round * removed; // Those that were never changed.
      const { ms } = await stand.ask("remove", { from, to: from + removed, revision: 0 });
      figures.add(stand.name, "", perSecond(removed, ms));
      this.#stored.set(stand.name, this.#storedOf(stand.name) - removed);
      await this.#verify(stand);
    });
    const title = `${removed} memories deleted`;
    const what = "Ours one call each, all at once; LangChain by the keys of its record manager, all in one call.";
    return { title, method: method(what), measures: figures.measures(), targets: [] };
  }

  async #each(work: (stand: Stand) => Promise<void>): Promise<void> {
    for (const name of this.#lineUp.names) await this.#lineUp.attempt(name, work);
  }

  /** As many as fit in this measurement's part of the time, one at least. */
  async #rounds(all: readonly Figures[], work: (stand: Stand, round: number) => Promise<void>): Promise<void> {
    const wanted = this.#size.rounds;
    const budget = this.#context.rounds === undefined ? this.#context.budget.part(this.#toCome--) : null;
    let longestMs = 0;
    let round = 0;
    while (round < wanted && (round === 0 || budget === null || budget.fits(longestMs))) {
      const startedAt = performance.now();
      await this.#each((stand) => work(stand, round));
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      round++;
    }
    for (const figures of all) figures.settle(round, wanted);
  }

  async #moveOn(stand: Stand): Promise<void> {
    await stand.move(this.#context);
    this.#stored.set(stand.name, 0);
    this.#next.set(stand.name, 0);
  }

  #fewer({ name }: Stand, count: number): number {
    return Math.ceil(count / FEWER[name]);
  }

  /** @returns milliseconds. */
  async #add(stand: Stand, count: number, batchSize: number): Promise<number> {
    const from = this.#next.get(stand.name) ?? 0;
    const { ms } = await stand.ask("add", { from, to: from + count, revision: 0, batchSize });
    this.#next.set(stand.name, from + count);
    this.#stored.set(stand.name, this.#storedOf(stand.name) + count);
    return ms;
  }

  #storedOf(name: ContenderName): number {
    return this.#stored.get(name) ?? 0;
  }

  /** Its stores hold what they should; mem0's history grows with every change. */
  async #verify(stand: Stand): Promise<void> {
    const { history: _, ...stores } = await stand.ask("counts", null);
    const stored = this.#storedOf(stand.name);
    const isRight = Object.values(stores).every((count) => count === stored);
    verify(isRight, `${stand.name} should hold ${stored} memories and holds ${JSON.stringify(stores)}`);
  }

  #targets(figures: Figures): Target[] {
    const at = (name: ContenderName, batchSize: number): number => median(figures.values(name, batchesOf(batchSize)));
    const sizes = [...this.#size.added.keys()].filter((batchSize) => at(MAIN_PEER, batchSize) > 0);
    const best = sizes.toSorted((a, b) => at(MAIN_PEER, b) - at(MAIN_PEER, a))[0];
    if (best === undefined) return [];
    const what = `ours over ${MAIN_PEER}'s index() in batches of ${best}, its best size, ${this.#size.dimension} numbers`;
    const single = this.#size.added.has(1) ? SINGLE_PEERS.filter((name) => this.#lineUp.names.includes(name)) : [];
    return [
      { what, ratio: at(OURS, best) / at(MAIN_PEER, best), bound: RATIO_MIN, kind: "at least" },
      ...single.map((name): Target => {
        const ratio = at(OURS, 1) / at(name, 1);
        return { what: `ours over ${name}, one by one`, ratio, bound: SINGLE_RATIO_MIN, kind: "at least" };
      }),
    ];
  }
}

const batchesOf = (batchSize: number): string => (batchSize === 1 ? "one by one" : `batches of ${batchSize}`);
const perSecond = (count: number, ms: number): number => (count / ms) * 1_000;

async function contest(context: BenchContext, size: Size): Promise<ScenarioResult[]> {
  const lineUp = await LineUp.open(context, size.names, size.dimension);
  try {
    const match = new Contest(size, lineUp, context);
    const results: ScenarioResult[] = [];
    const isWhole = size.dimension === FULL.dimension;
    if (lineUp.names.length > 1) {
      const others = lineUp.names.filter((name) => name !== OURS).join(", ");
      context.log(`peers: new memories of ${size.dimension} numbers, beside ${others}`);
      results.push(await match.newMemories());
      context.log(`peers: ${size.stored} memories stored: searches${isWhole ? ", repeats, changes, deletions" : ""}`);
      await match.fill();
      results.push(...(await match.searches()));
      if (isWhole) results.push(await match.repeats(), await match.changes(), await match.removals());
    }
    if (!isWhole) return results;
    const about = { title: "Peers: who took part", method: "Pinned in bench/peers/package.json.", measures: [] };
    return [...results, { ...about, targets: [], table: lineUp.table() }];
  } finally {
    await lineUp.close();
  }
}

/** What a user would pick instead, on the same servers. */
export const peers: Scenario = {
  name: "peers",
  run: async (context) => {
    const asked = context.rounds === undefined ? {} : { rounds: context.rounds };
    if (context.quick) return await contest(context, { ...QUICK, ...asked });
    // Twice as many measurements, and twice as many contenders.
    const whole = { ...context, budget: context.budget.part(4 / 3) };
    return [...(await contest(whole, { ...FULL, ...asked })), ...(await contest(context, { ...WIDE, ...asked }))];
  },
};
