import { Document } from "@langchain/core/documents";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, verifyOutcomes } from "../support/our-stores.ts";
import type { Synchronizer } from "../support/product.ts";
import { verify } from "../support/report.ts";
import { timed } from "../support/timed.ts";

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
  const ours = await OurStores.open(context, { dimension: DIMENSION });
  try {
    const memories = benchMemories(0, stored, 0, DIMENSION);
    const vectors = new Map(memories.map(({ content, embedding }) => [content, Array.from(embedding)]));
    const works = await prepare(ours, memories, new Given(vectors), calls);
    const contenders = WORKS.flatMap((work): Contender[] =>
      ([DIRECT, ADAPTED] as const).map((name) => ({
        name: `${work}, ${name}`,
        role: name === DIRECT ? "floor" : "ours",
        figures: [{ name: work, unit: "ms" }],
        run: async () => [await timed(() => works[work][name]())],
      })),
    );
    const measures = await alternate(contenders, {
      ...planRounds(context, 7, 3),
      before: ours.settle,
      onRound: (round) => context.log(`round ${round}`),
    });
    return {
      title: `${calls} calls of each kind (of a search under a path a twentieth), one after the other, on ${stored.toLocaleString("en-US")} items with ${DIMENSION} numbers`,
      method:
        "`put`, `get` and `search` of `MnemosyncStore` beside `syncMemory`, `get` (with the time of creation, which an item has) and `search` of " +
        `the same memories; \`addDocuments\` of ${ADDED} documents and \`similaritySearch\` of \`MnemosyncVectorStore\` beside \`syncBatch\` and \`search\`. ` +
        "Vectors are given.",
      measures,
      targets: WORKS.map((work) =>
        ratioTarget(
          `time of ${work} through the adapter, beside the direct call`,
          measures,
          [
            { contender: `${work}, ${ADAPTED}`, figure: work },
            { contender: `${work}, ${DIRECT}`, figure: work },
          ],
          "at most",
          COST_MAX,
        ),
      ),
    };
  } finally {
    await ours.close();
  }
}

type Works = Readonly<Record<Work, Readonly<Record<typeof DIRECT | typeof ADAPTED, () => Promise<void>>>>>;

/** Both ways of each kind of call. Each way has a namespace of its own, with the same memories in it. */
async function prepare(
  ours: OurStores,
  memories: ReturnType<typeof benchMemories>,
  embeddings: Given,
  calls: number,
): Promise<Works> {
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
  let revision = 0;
  const times =
    (call: (at: number) => Promise<void>, count = calls) =>
    async () => {
      for (let at = 0; at < count; at++) await call(at);
    };
  // A search under a path reads the vectors of all of its items from the ledger, and takes as long as many other calls.
  const searches = Math.ceil(calls / 20);
  const where = { and: [{ "metadata.indexed": { eq: true } }, { memoryId: { prefix: "users/ada/" } }] } as const;
  const added = memories.slice(0, ADDED);
  const documentsOf = (number: number) =>
    added.map(({ content }, at) => new Document({ id: `d-${at}`, pageContent: content, metadata: { number } }));
  return {
    put: {
      [DIRECT]: async () => {
        revision++;
        await times(async (at) => {
          const item = items[at % items.length];
          const metadata = { value: itemOf(at, revision), indexed: true };
          await sync.syncMemory(item?.memoryId ?? "", { ...item, memoryId: undefined, metadata } as never);
        })();
      },
      [ADAPTED]: async () => {
        revision++;
        await times((at) => store.put(path, `key-${at % items.length}`, itemOf(at, revision)))();
      },
    },
    get: {
      [DIRECT]: times(async (at) => {
        const memory = await sync.get(idOf(at), { namespace: "direct", createdAt: true });
        verify(memory !== null, `${idOf(at)} is missing`);
      }),
      [ADAPTED]: times(async (at) => {
        verify((await store.get(path, keyOf(at))) !== null, `${keyOf(at)} is missing`);
      }),
    },
    search: {
      [DIRECT]: times(async (at) => {
        const vector = await embeddings.embedQuery(itemOf(at, 0).text);
        const found = await sync.search(vector, { namespace: "direct", k: K, createdAt: true, where });
        verify(found.length === K, `a search found ${found.length}`);
      }, searches),
      [ADAPTED]: times(async (at) => {
        const found = await store.search(path, { query: itemOf(at, 0).text, limit: K });
        verify(found.length === K, `a search found ${found.length}`);
      }, searches),
    },
    "add documents": {
      [DIRECT]: async () => {
        const number = ++revision;
        const inputs = added.map(({ content, embedding }, at) => ({
          ...{
            namespace: "direct-documents",
            memoryId: `d-${at}`,
            content,
            memoryType: "semantic",
            metadata: { number },
          },
          embedding: Array.from(embedding), // As LangChain's embeddings give it.
        }));
        verifyOutcomes(await sync.syncBatch(inputs), ADDED, "synced");
      },
      [ADAPTED]: async () => {
        const ids = await vectorStore.addDocuments(documentsOf(++revision));
        verify(ids.length === ADDED, `${ids.length} documents were added`);
      },
    },
    "nearest documents": {
      [DIRECT]: times(async (at) => {
        const vector = await embeddings.embedQuery(added[at % ADDED]?.content ?? "");
        const found = await sync.search(vector, { namespace: "direct-documents", k: K });
        verify(found.length === K, `a search found ${found.length}`);
      }),
      [ADAPTED]: times(async (at) => {
        const found = await vectorStore.similaritySearch(added[at % ADDED]?.content ?? "", K);
        verify(found.length === K, `a search found ${found.length}`);
      }),
    },
  };
}
