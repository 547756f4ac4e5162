import type { Random } from "../support/random.ts";
import { type Operation, operations } from "./document.ts";
import { type FuzzRequest, vector } from "./generate.ts";
import { DIMENSION } from "./tenants.ts";

/** A namespace of large requests alone: the others' exports and searches stay small, so that they are many. */
export const LARGE_NAMESPACE = "large";

const MEMORIES = 5_000;
const CONTENT_LENGTH_MAX = 1_000_000;

type Making = (random: Random) => { query?: [string, string][]; body?: string; memoryId?: string };

const some = (random: Random, most: number): number => 1 + random.below(most);

function memories(random: Random, count: number, dimension: number): object[] {
  const embedding = vector(random, dimension);
  return Array.from({ length: count }, (_, number) => ({
    memoryId: `large-${number}`,
    content: `memory ${number} ${"of many words ".repeat(random.below(20))}`,
    memoryType: "episodic",
    embedding,
  }));
}

/** What the routes take at most, or about as much. By the operation's id. */
const MAKINGS: Readonly<Record<string, Making>> = {
  // Vectors that are longer than the index's are refused memory by memory, after all of the body was read.
  writeBatch: (random) => {
    const [count, dimension] = random.next() < 0.3 ? [MEMORIES, DIMENSION] : [some(random, 4_500), 380];
    return { body: JSON.stringify({ memories: memories(random, count, dimension), atomic: random.next() < 0.3 }) };
  },
  putMemory: (random) => ({
    memoryId: `content-${random.below(40)}`,
    body: JSON.stringify({
      content: "long ".repeat(some(random, CONTENT_LENGTH_MAX / 5)),
      memoryType: "episodic",
      metadata: Object.fromEntries(Array.from({ length: some(random, 10_000) }, (_, name) => [`field${name}`, name])),
      embedding: vector(random, DIMENSION),
    }),
  }),
  getMemories: (random) => ({
    body: JSON.stringify({
      memoryIds: Array.from({ length: some(random, 1_000) }, (_, number) =>
        number % 40 === 7 ? `content-${number / 40}` : `large-${number}`,
      ),
      embedding: true,
    }),
  }),
  listMemories: (random) => ({
    query: [
      ["limit", String(some(random, 1_000))],
      ["embedding", "true"],
    ],
  }),
  searchMemories: (random) => ({
    body: JSON.stringify({ vector: vector(random, DIMENSION), k: some(random, 1_000), embedding: true }),
  }),
  listVersions: (random) => ({ memoryId: `content-${random.below(40)}`, query: [["limit", "1000"]] }),
  importMemories: (random) => ({
    body: [
      ..."\n".repeat(random.below(20_000)),
      ...Array.from({ length: random.below(5_000) }, () => `${random.pick(["x", "{}", "1", '{"memoryId":'])}\n`),
    ].join(""),
  }),
  exportMemories: () => ({}),
};

const LARGE: readonly Operation[] = operations.filter(({ operationId }) => MAKINGS[operationId] !== undefined);

/** A valid request of about the largest size that its route takes, for the key of all namespaces. */
export function largeRequest(random: Random): FuzzRequest {
  const operation = random.pick(LARGE);
  const { query = [], body = null, memoryId = "large-1" } = (MAKINGS[operation.operationId] as Making)(random);
  const [mediaType] = Object.keys(operation.requestBody?.content ?? {});
  return {
    operation,
    method: operation.method,
    path: operation.path.replace("{namespace}", LARGE_NAMESPACE).replace("{memoryId}", memoryId),
    query,
    headers: body === null || mediaType === undefined ? {} : { "content-type": mediaType },
    body,
  };
}
