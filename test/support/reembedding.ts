import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { type Embedder, HashingEmbedder, MemorySynchronizer } from "../../src/index.ts";
import { untilAborted } from "../../src/runtime/deadline.ts";
import { openWorld, type World } from "./world.ts";

/** More than two pages of the job. */
export const MEMORIES = 600;

/** Vectors by feature hashing, under a name of its own. */
export class NamedEmbedder implements Embedder {
  readonly model: string;
  readonly dimension: number;
  readonly texts: string[] = [];
  /** Called before each request. */
  before: (texts: readonly string[]) => Promise<void> | void = () => undefined;
  readonly #hashing: HashingEmbedder;

  constructor(model: string, dimension: number) {
    this.model = model;
    this.dimension = dimension;
    this.#hashing = new HashingEmbedder({ dimension });
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    await untilAborted(Promise.resolve(this.before(texts)), signal);
    this.texts.push(...texts);
    return await this.#hashing.embed(texts, signal);
  }
}

export interface Pair {
  readonly world: World;
  readonly former: MemorySynchronizer;
  readonly next: MemorySynchronizer;
  readonly embedder: NamedEmbedder;
}

/** A node of the former model with memories, and one of the new model with an empty index. */
export async function openPair(t: TestContext, count = MEMORIES): Promise<Pair> {
  const world = await openWorld(t, { settings: { embedder: new NamedEmbedder("former", 8), syncIntervalMs: 100 } });
  const former = world.sync;
  former.start(); // Its index follows the feed.
  const memories = Array.from({ length: count }, (_, number) => ({
    memoryId: `m${number}`,
    content: `memory number ${number} about ${["tea", "trains", "birds"][number % 3]}`,
    memoryType: number % 2 === 0 ? "even" : "odd",
  }));
  const other = (await former.syncBatch(memories)).find(({ status }) => status !== "synced");
  if (other !== undefined) throw new Error(`${other.memoryId} is ${other.status}: ${other.error}`);
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-reembed-"));
  const embedder = new NamedEmbedder("next", 16);
  const next = await MemorySynchronizer.connect({
    ...world.connectOptions,
    nodeId: "next",
    faiss: { directory, dimension: 16 },
    embedder,
  });
  t.onTestFinished(async () => {
    await next.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { world, former, next, embedder };
}

export async function idsFound(sync: MemorySynchronizer, k = 1_000): Promise<string[]> {
  return (await sync.search("a memory about tea", { k })).map(({ memory }) => memory.memoryId).sort();
}

/** Each live memory's model, by the ledger. */
export async function models(world: World): Promise<Record<string, number>> {
  const rows = await world.sql<{ model: string; count: number }[]>`
    select document ->> 'embeddingModel' as model, count(*)::int as count from mnemosync.memories group by 1`;
  return Object.fromEntries(rows.map(({ model, count }) => [model, count]));
}

interface Endpoint {
  readonly url: string;
  /** Texts that got a vector. */
  readonly answered: string[];
  /** Texts beyond this number get no answer. */
  answersMax: number;
}

/** An OpenAI-compatible endpoint. */
export async function openEndpoint(t: TestContext, dimension: number): Promise<Endpoint> {
  const embedder = new HashingEmbedder({ dimension });
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { input } = JSON.parse(body) as { input: string[] };
    const isQuery = input.length === 1;
    if (!isQuery && endpoint.answered.length + input.length > endpoint.answersMax) return;
    if (!isQuery) endpoint.answered.push(...input);
    const vectors = await embedder.embed(input, AbortSignal.timeout(60_000));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ data: vectors.map((vector, index) => ({ index, embedding: [...vector] })) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const endpoint: Endpoint = { url: `http://127.0.0.1:${port}/v1`, answered: [], answersMax: Number.POSITIVE_INFINITY };
  return endpoint;
}
