import { createHash } from "node:crypto";

/** One memory of the data that every contender is given. */
export interface BenchMemory {
  readonly memoryId: string;
  readonly content: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly metadata: Record<string, string | number>;
  readonly embedding: Float32Array;
}

const WORDS =
  "the user asked about a trip to the coast in early spring and said that trains suit them better than flying since the " +
  "child sleeps well on board they prefer a quiet room near water with breakfast no stairs and a place for two bicycles";
const VOCABULARY = WORDS.split(" ");
/** Words of a text: some 150 characters, as a remembered sentence or two have. */
const WORDS_PER_TEXT = 28;

/** Memory number `number` as it reads in revision `revision`: the same one every time, unlike all others. */
export function benchMemory(number: number, revision: number, dimension: number): BenchMemory {
  const content = benchText(number, revision);
  return {
    memoryId: `memory-${number}`,
    content,
    memoryType: "episodic",
    importance: (number % 100) / 100,
    metadata: { conversation: `conversation-${number % 1_000}`, turn: number % 40, revision },
    embedding: benchVector(content, dimension),
  };
}

/** Memories `from` to `to` (exclusive). */
export function benchMemories(from: number, to: number, revision: number, dimension: number): BenchMemory[] {
  return Array.from({ length: to - from }, (_, at) => benchMemory(from + at, revision, dimension));
}

export function benchText(number: number, revision: number): string {
  const next = generator((Math.imul(number, 2_654_435_761) ^ Math.imul(revision + 1, 40_503)) >>> 0);
  const words = Array.from({ length: WORDS_PER_TEXT }, () => VOCABULARY[next() % VOCABULARY.length]);
  return `${number}.${revision}: ${words.join(" ")}`;
}

/** The embedder of every contender: a unit vector that depends on nothing but the text, at next to no cost. */
export function benchVector(text: string, dimension: number): Float32Array {
  const next = generator(createHash("sha256").update(text).digest().readUInt32LE(0));
  const vector = new Float32Array(dimension);
  let squares = 0;
  for (let index = 0; index < dimension; index++) {
    const value = next() / 2_147_483_648 - 1;
    vector[index] = value;
    squares += value * value;
  }
  const scale = 1 / Math.sqrt(squares);
  for (let index = 0; index < dimension; index++) vector[index] = (vector[index] as number) * scale;
  return vector;
}

/** Marsaglia's xorshift32. @returns numbers of 32 bits, unsigned. */
function generator(seed: number): () => number {
  let state = seed === 0 ? 0x9e3779b9 : seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
