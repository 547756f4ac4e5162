import { Document } from "@langchain/core/documents";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { alternateCalls, type Caller } from "../harness/calls.ts";
import { planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, verifyOutcomes } from "../support/our-stores.ts";
import type { Synchronizer } from "../support/product.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";

type LangGraph = typeof import("../../src/adapters/langgraph/index.ts");
type LangChain = typeof import("../../src/adapters/langchain/index.ts");

const DIMENSION = 384;
const ADDED = 500;
const K = 10;
const WORKS = ["put", "get", "search", "add documents", "nearest documents"] as const;
type Work = (typeof WORKS)[number];

const DIRECT = "the synchronizer itself";
const ADAPTED = "through the adapter";
const COST_MAX = 1.1;

/** Question: what do the adapters of LangGraph and LangChain add to the calls of the synchronizer that they stand for? */
export const doors: Scenario = {
  name: "doors",
  run: async (context) => [await measure(context)],
};

/** Vectors that are there already: the time of a model is none of ours. */
class Given implements EmbeddingsInterface {
  readonly #vectors: ReadonlyMap<string, number[]>;

  constructor(vectors: ReadonlyMap<string, number[]>) {
    this.#vectors = vectors;
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    return texts.map((text) => this.#vectors.get(text) ?? []);
  }

  async embedQuery(text: string): Promise<number[]> {
    return this.#vectors.get(text) ?? [];
  }
}

async function measure(context: BenchContext): Promise<ScenarioResult> {
  const [stored, calls] = context.quick ? [1_000, 100] : [3_000, 400];
  // A search under a path reads the vectors of all of its items from the ledger, and takes as long as many other calls.
  const [searches, batches] = [Math.ceil(calls / 20), Math.ceil(calls / 25)];
  const counts: Readonly<Record<Work, number>> = {
    ...{ put: calls, get: calls, search: searches, "add documents": batches, "nearest documents": calls },
  };
  const ours = await OurStores.open(context, { dimension: DIMENSION });
  try {
    const memories = benchMemories(0, stored, 0, DIMENSION);
    const vectors = new Map(memories.map(({ content, embedding }) => [content, Array.from(embedding)]));
    const works = await prepare(ours, memories, new Given(vectors));
    const callers = ([DIRECT, ADAPTED] as const).map(
      (name): Caller => ({
        name,
        role: name === DIRECT ? "floor" : "ours",
        count: (work) => counts[work as Work],
        call: async (work, at) => await works[work as Work][name](at),
      }),
    );
    const measures = await alternateCalls(callers, WORKS, {
      ...planRounds(context, 7, 3),
      // No checkpoint: both ways make the same calls in turn, so what one puts off is paid for by both.
      before: async () => void (await untilQuiet()),
      onRound: (round) => context.log(`round ${round}`),
    });
    return {
      title: `${calls} calls of each kind in a round (${searches} searches under a path, ${batches} batches of documents), on ${stored.toLocaleString("en-US")} items with ${DIMENSION} numbers`,
      method:
        "`put`, `get` and `search` of `MnemosyncStore` beside `syncMemory`, `get` (with the time of creation, which an item has) and `search` of " +
        `the same memories; \`addDocuments\` of ${ADDED} documents and \`similaritySearch\` of \`MnemosyncVectorStore\` beside \`syncBatch\` and \`search\`. ` +
        "Each way makes one call, then both make the next one, the other one first. Vectors are given.",
      measures,
      targets: WORKS.map((work) => {
        const figure = `${work}, p50`;
        const of = [
          { contender: ADAPTED, figure },
          { contender: DIRECT, figure },
        ] as const;
        return ratioTarget(
          `p50 of ${work} through the adapter, beside the direct call`,
          measures,
          of,
          "at most",
          COST_MAX,
        );
      }),
    };
  } finally {
    await ours.close();
  }
}

type Works = Readonly<Record<Work, Readonly<Record<typeof DIRECT | typeof ADAPTED, (at: number) => Promise<void>>>>>;

/** Both ways of each kind of call. Each way has a namespace of its own, with the same memories in it. */
async function prepare(ours: OurStores, memories: ReturnType<typeof benchMemories>, embeddings: Given): Promise<Works> {
  const { MnemosyncStore } = (await import(
    new URL("../../dist/adapters/langgraph/index.js", import.meta.url).href
  )) as LangGraph;
  const { MnemosyncVectorStore } = (await import(
    new URL("../../dist/adapters/langchain/index.js", import.meta.url).href
  )) as LangChain;
  const sync = ours.sync as Synchronizer;
  const index = { embeddings, fields: ["text"] };
  const store = new MnemosyncStore({ sync: sync as never, namespace: "items", index });
  const vectorStore = new MnemosyncVectorStore(embeddings, { sync: sync as never, namespace: "documents" });
  const path = ["users", "ada"];
  const keyOf = (at: number): string => `key-${(at * 7_919) % memories.length}`;
  const idOf = (at: number): string => `users/ada//${keyOf(at)}`;
  const itemOf = (at: number, revision: number) => ({ text: memories[at % memories.length]?.content ?? "", revision });
  await store.batch(memories.map((_, at) => ({ namespace: path, key: `key-${at}`, value: itemOf(at, 0) })));
  const items = memories.map((memory, at) => ({
    ...{ namespace: "direct", memoryId: `users/ada//key-${at}`, content: memory.content, memoryType: "semantic" },
    metadata: { value: itemOf(at, 0), indexed: true },
    embedding: memory.embedding,
  }));
  verifyOutcomes(await sync.syncBatch(items), items.length, "synced");
  // Each write has a content of its own: one that changes nothing would be none.
  let revision = 0;
  const where = { and: [{ "metadata.indexed": { eq: true } }, { memoryId: { prefix: "users/ada/" } }] } as const;
  const contents = memories.slice(0, ADDED).map(({ content }) => content);
  const contentOf = (at: number): string => contents[at % ADDED] ?? "";
  return {
    put: {
      [DIRECT]: async (at) => {
        const item = items[at % items.length];
        const metadata = { value: itemOf(at, ++revision), indexed: true };
        await sync.syncMemory(item?.memoryId ?? "", { ...item, memoryId: undefined, metadata } as never);
      },
      [ADAPTED]: (at) => store.put(path, `key-${at % items.length}`, itemOf(at, ++revision)),
    },
    get: {
      [DIRECT]: async (at) => {
        const memory = await sync.get(idOf(at), { namespace: "direct", createdAt: true });
        verify(memory !== null, `${idOf(at)} is missing`);
      },
      [ADAPTED]: async (at) => {
        verify((await store.get(path, keyOf(at))) !== null, `${keyOf(at)} is missing`);
      },
    },
    search: {
      [DIRECT]: async (at) => {
        const vector = await embeddings.embedQuery(itemOf(at, 0).text);
        const found = await sync.search(vector, { namespace: "direct", k: K, createdAt: true, where });
        verify(found.length === K, `a search found ${found.length}`);
      },
      [ADAPTED]: async (at) => {
        const found = await store.search(path, { query: itemOf(at, 0).text, limit: K });
        verify(found.length === K, `a search found ${found.length}`);
      },
    },
    "add documents": {
      [DIRECT]: async () => {
        const number = ++revision;
        const given = await embeddings.embedDocuments(contents);
        const inputs = contents.map((content, at) => ({
          ...{ namespace: "direct-documents", memoryId: `d-${at}`, content, memoryType: "semantic" },
          metadata: { number },
          embedding: given[at],
        }));
        verifyOutcomes(await sync.syncBatch(inputs), ADDED, "synced");
      },
      [ADAPTED]: async () => {
        const number = ++revision;
        const documents = contents.map((content, at) => {
          return new Document({ id: `d-${at}`, pageContent: content, metadata: { number } });
        });
        const ids = await vectorStore.addDocuments(documents);
        verify(ids.length === ADDED, `${ids.length} documents were added`);
      },
    },
    "nearest documents": {
      [DIRECT]: async (at) => {
        const vector = await embeddings.embedQuery(contentOf(at));
        const found = await sync.search(vector, { namespace: "direct-documents", k: K });
        verify(found.length === K, `a search found ${found.length}`);
      },
      [ADAPTED]: async (at) => {
        const found = await vectorStore.similaritySearch(contentOf(at), K);
        verify(found.length === K, `a search found ${found.length}`);
      },
    },
  };
}
