import { createHash } from "node:crypto";
import { Document } from "@langchain/core/documents";
import { Embeddings } from "@langchain/core/embeddings";
import { MnemosyncVectorStore } from "../../src/adapters/langchain/index.ts";
import { MnemosyncStore } from "../../src/adapters/langgraph/index.ts";
import type { MemorySynchronizer } from "../../src/index.ts";

/** Numbers of a vector: as many as SHA-512 has bytes. */
export const DIMENSION = 64;

/** A model without likeness: each text has a vector of its own, far from all others, and each model another one. */
export class KnownEmbeddings extends Embeddings {
  readonly #model: string;

  constructor(model: string) {
    super({});
    this.#model = model;
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    return texts.map((text) => {
      const bytes = createHash("sha512").update(`${this.#model}\0${text}`).digest();
      return Array.from(bytes, (byte) => byte - 127.5);
    });
  }

  override async embedQuery(text: string): Promise<number[]> {
    const [vector = []] = await this.embedDocuments([text]);
    return vector;
  }
}

/** What a search for an item's own text gives first. */
export interface Nearest {
  readonly number: number;
  readonly mood: string;
  readonly score: number;
}

/** Items of a framework's memory, by number. The same faults are done to each. */
export interface Adapted {
  readonly namespace: string;
  /** Writes them as one call of the framework. */
  put(numbers: readonly number[], mood?: string): Promise<void>;
  remove(numbers: readonly number[]): Promise<void>;
  nearest(number: number): Promise<Nearest | null>;
}

export const KINDS = ["LangGraph", "LangChain"] as const;
export type Kind = (typeof KINDS)[number];

export const textOf = (number: number): string => `note ${number}`;
const dataOf = (number: number, mood: string) => ({ number, user: { mood } });

export function adapted(kind: Kind, sync: MemorySynchronizer, model = "one"): Adapted {
  const embeddings = new KnownEmbeddings(model);
  return kind === "LangGraph" ? langGraph(sync, embeddings) : langChain(sync, embeddings);
}

function langGraph(sync: MemorySynchronizer, embeddings: Embeddings): Adapted {
  const store = new MnemosyncStore({ sync, index: { embeddings, fields: ["text"] } });
  const path = ["users", "ada"];
  return {
    namespace: "langgraph",
    async put(numbers, mood = "calm") {
      await store.batch(
        numbers.map((number) => ({
          namespace: path,
          key: `${number}`,
          value: { text: textOf(number), ...dataOf(number, mood) },
        })),
      );
    },
    async remove(numbers) {
      await store.batch(numbers.map((number) => ({ namespace: path, key: `${number}`, value: null })));
    },
    async nearest(number) {
      const [found] = await store.search(path, { query: textOf(number), limit: 1 });
      const value = found?.value as ReturnType<typeof dataOf> | undefined;
      return value === undefined ? null : { number: value.number, mood: value.user.mood, score: found?.score ?? 0 };
    },
  };
}

function langChain(sync: MemorySynchronizer, embeddings: Embeddings): Adapted {
  const store = new MnemosyncVectorStore(embeddings, { sync, namespace: "langchain" });
  return {
    namespace: "langchain",
    async put(numbers, mood = "calm") {
      const document = (number: number) =>
        new Document({ id: `d${number}`, pageContent: textOf(number), metadata: dataOf(number, mood) });
      await store.addDocuments(numbers.map(document));
    },
    async remove(numbers) {
      await store.delete({ ids: numbers.map((number) => `d${number}`) });
    },
    async nearest(number) {
      const [found] = await store.similaritySearchWithScore(textOf(number), 1);
      if (found === undefined) return null;
      const [{ metadata }, score] = found;
      return { number: metadata.number, mood: metadata.user.mood, score };
    },
  };
}

/** Those of the items that a search for their own text gives, with the vector of the present model. */
export async function foundOf(items: Adapted, numbers: readonly number[]): Promise<number[]> {
  const nearest = await Promise.all(numbers.map((number) => items.nearest(number)));
  return numbers.filter((number, at) => nearest[at]?.number === number && (nearest[at]?.score ?? 0) > 0.999);
}
