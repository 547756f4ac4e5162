/** The process of one contender: `main.ts NAME`, started by `PeerProcess`. */

import { setTimeout as delay } from "node:timers/promises";
import { type BenchMemory, benchMemories, benchMemory } from "../support/dataset.ts";
import { collectYoungGarbage } from "../support/garbage.ts";
import { servePeer } from "../support/peer-process.ts";
import type {
  Contender,
  ContenderName,
  ContenderOperations,
  Fault,
  Faults,
  Observation,
  OpenContender,
  Place,
  Range,
  Searched,
  SearchRequest,
  Timed,
} from "./contender.ts";
import { KnownVectors } from "./known-vectors.ts";

/** Loaded by need: a contender's packages may not be installed. */
const KINDS: Record<ContenderName, () => Promise<Kind>> = {
  mnemosync: async () =>
    kind((await import("./mnemosync.ts")).openMnemosync, (await import("./mnemosync-faults.ts")).mnemosyncFaults),
  LangChain: async () =>
    kind((await import("./langchain.ts")).openLangChain, (await import("./langchain-faults.ts")).langChainFaults),
  LangGraph: async () =>
    kind((await import("./langgraph.ts")).openLangGraph, (await import("./langgraph-faults.ts")).langGraphFaults),
  mem0: async () => kind((await import("./mem0.ts")).openMem0, (await import("./mem0-faults.ts")).mem0Faults),
};
/** Milliseconds between two looks at whether the event loop turns, and between two searches. */
const LOOK_MS = 1;
const SETTLE_MS = 3;

interface Open {
  readonly contender: Contender;
  readonly vectors: KnownVectors;
  readonly fault: (fault: Fault, memories: readonly BenchMemory[]) => Promise<readonly Observation[]>;
}

type Kind = (place: Place) => Promise<Open>;

function kind<C extends Contender>(open: OpenContender<C>, faults: Faults<C>): Kind {
  return async (place) => {
    const vectors = new KnownVectors(place.dimension);
    const contender = await open(place, vectors);
    return { contender, vectors, fault: (fault, memories) => faults[fault](contender, memories) };
  };
}

let current: Open | null = null;

function opened(): Open {
  if (current === null) throw new Error("no contender is open: ask for `open` first");
  return current;
}

async function open(place: Place): Promise<{ versions: Contender["versions"] }> {
  await close();
  const load = KINDS[process.argv[2] as ContenderName];
  if (load === undefined) throw new Error(`there is no contender ${process.argv[2]}`);
  current = await (await load())(place);
  return { versions: current.contender.versions };
}

async function close(): Promise<void> {
  const open = current;
  current = null;
  await open?.contender.close();
}

/** Makes the data and its vectors, then lets `work` run against the clock. */
async function timed(
  range: Range & { readonly batchSize?: number },
  work: (memories: BenchMemory[]) => Promise<Timed["account"]>,
): Promise<Timed> {
  const { contender, vectors } = opened();
  if (range.batchSize !== undefined) await contender.prepareFor?.(range.batchSize);
  const memories = benchMemories(range.from, range.to, range.revision, vectors.dimension);
  vectors.learn(memories);
  collectYoungGarbage();
  const startedAt = performance.now();
  const account = await work(memories);
  return { ms: performance.now() - startedAt, account };
}

async function search({ numbers, revision, count }: SearchRequest): Promise<Searched | null> {
  const { contender, vectors } = opened();
  if (contender.search === null) return null;
  const memories = numbers.map((number) => benchMemory(number, revision, vectors.dimension));
  vectors.learn(memories);
  collectYoungGarbage();
  let stallMs = 0;
  let seenAt = performance.now();
  const look = setInterval(() => {
    const now = performance.now();
    stallMs = Math.max(stallMs, now - seenAt - LOOK_MS);
    seenAt = now;
  }, LOOK_MS);
  const ms: number[] = [];
  let right = 0;
  for (const memory of memories) {
    const startedAt = performance.now();
    const found = await contender.search(memory, count);
    ms.push(performance.now() - startedAt);
    if (found[0] === memory.memoryId) right++;
    await delay(SETTLE_MS); // Without it, searches that never give way would count as one long stall.
  }
  clearInterval(look);
  return { ms, right, stallMs };
}

servePeer<{ [Name in keyof ContenderOperations]: ContenderOperations[Name] }>(
  {
    open,
    add: (range) => timed(range, (memories) => opened().contender.add(memories, range.batchSize)),
    sync: async (range) => {
      const { sync } = opened().contender;
      return sync === null ? null : await timed(range, (memories) => sync(memories, range.batchSize));
    },
    remove: (range) => timed(range, (memories) => opened().contender.remove(memories)),
    search,
    counts: () => opened().contender.counts(),
    fault: async ({ fault, count }) => {
      const { fault: make, vectors } = opened();
      const memories = benchMemories(0, count, 0, vectors.dimension);
      vectors.learn(memories);
      return await make(fault, memories);
    },
    close: async () => {
      await close();
      return null;
    },
  },
  close,
);
