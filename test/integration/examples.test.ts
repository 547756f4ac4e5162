import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { HashingEmbedder } from "../../src/index.ts";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "../support/program.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";

/**
 * Goal: each file in examples/ does what it says. Method: each is run as its head says, `tsx FILE` with the addresses of
 * real stores in the environment; a server of the test speaks the protocol of the embedding endpoints.
 */

vi.setConfig({ testTimeout: 300_000 });

/** Databases of the shared Redis: the examples write under the default prefix, and no other test uses these. */
const REDIS_DATABASES = [8, 9, 10, 11, 12, 13, 14];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mnemosync-examples-"));
  // Without `paths`, the package's own name leads to what was built, as it does for a user.
  const extended = { extends: join(REPOSITORY, "tsconfig.json"), compilerOptions: { paths: {} } };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(extended));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs an example to its end on stores of its own. @returns what it printed. */
async function run(file: string, environment: Record<string, string> = {}): Promise<string> {
  const number = REDIS_DATABASES.shift();
  if (number === undefined) throw new Error("each example needs a Redis database of its own: name one more");
  const redisUrl = new URL(inject("redisUrl"));
  redisUrl.pathname = `/${number}`;
  const redis = new Redis(redisUrl.href);
  const database = await createTestDatabase(postgresUrl());
  const tsx = join(REPOSITORY, "node_modules", "tsx", "dist", "cli.mjs");
  try {
    const child = spawn(process.execPath, [tsx, join("examples", file)], {
      cwd: REPOSITORY,
      env: {
        ...process.env,
        ...(process.env[DIST_IS_CURRENT] === "yes" && { TSX_TSCONFIG_PATH: join(folder, "tsconfig.json") }),
        MNEMOSYNC_POSTGRES_URL: database.url,
        MNEMOSYNC_REDIS_URL: redisUrl.href,
        MNEMOSYNC_FAISS_DIRECTORY: join(folder, `index-${number}`),
        ...environment,
      },
      timeout: 240_000,
    });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    expect({ code, printed }).toEqual({ code: 0, printed });
    return printed;
  } finally {
    const keys = await redis.keys("*");
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await database.drop();
  }
}

interface EmbeddingRequest {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly body: { model: string; input: string[]; dimensions?: number };
}

/** The endpoint that OpenAI and Ollama document: vectors in the request's order, as numbers. */
async function embeddingEndpoint(
  dimension: number,
): Promise<{ url: string; requests: EmbeddingRequest[]; close(): void }> {
  const requests: EmbeddingRequest[] = [];
  const embedder = new HashingEmbedder({ dimension });
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text) as EmbeddingRequest["body"];
    requests.push({ path: request.url, authorization: request.headers.authorization, body });
    const vectors = await embedder.embed(body.input, new AbortController().signal);
    const data = vectors.map((vector, index) => ({ object: "embedding", index, embedding: [...vector] }));
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({ object: "list", data, model: body.model, usage: { prompt_tokens: 1, total_tokens: 1 } }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, close: () => server.close() };
}

test.concurrent("agent.ts: an agent recalls from its user's namespace and the shared one, and from no other", async () => {
  expect((await run("agent.ts")).trim().split("\n")).toEqual([
    "ana: My daughter is allergic to cashews. (user-ana)",
    "ben: I do not know yet.",
    "ben: The office opens at eight o'clock. (company)",
    "namespaces: company, user-ana, user-ben",
    "turns of ben: 2",
  ]);
});

test.concurrent("own-embedder.ts: an embedder of the program's own serves writes and searches", async () => {
  expect((await run("own-embedder.ts")).trim()).toBe("tea letter-pairs-1 Mio drinks green tea.");
});

test.concurrent("ollama.ts and openai.ts ask their endpoints as documented, and search by the vectors that come back", async () => {
  const ollama = await embeddingEndpoint(768);
  const openai = await embeddingEndpoint(512);
  try {
    const local = await run("ollama.ts", { OLLAMA_URL: ollama.url });
    expect(local).toContain("synced { postgres: 'applied', redis: 'applied', faiss: 'applied' }");
    expect(local).toContain("Amara likes figs. nomic-embed-text");
    expect(ollama.requests.map(({ path, authorization }) => [path, authorization])).toEqual([
      ["/v1/embeddings", undefined],
      ["/v1/embeddings", undefined],
    ]);
    expect(ollama.requests[0]?.body).toMatchObject({ model: "nomic-embed-text", input: ["Amara likes figs."] });

    const remote = await run("openai.ts", { OPENAI_BASE_URL: `${openai.url}/v1`, OPENAI_API_KEY: "sk-test" });
    expect(remote.trim()).toBe("The train to Basel leaves at nine. text-embedding-3-small 512");
    expect(openai.requests).toEqual([
      expect.objectContaining({
        path: "/v1/embeddings",
        authorization: "Bearer sk-test",
        body: expect.objectContaining({
          dimensions: 512,
          input: ["Amara likes figs.", "The train to Basel leaves at nine."],
        }),
      }),
      expect.objectContaining({ body: expect.objectContaining({ input: ["when does the train leave?"] }) }),
    ]);
  } finally {
    ollama.close();
    openai.close();
  }
});

test.concurrent("nextjs/hot-reload.ts: a module that is evaluated again gets the same synchronizer", async () => {
  expect((await run("nextjs/hot-reload.ts")).trim().split("\n")).toEqual([
    "put 200 { memoryId: 'likes', version: 1, status: 'synced' }",
    "evaluated again: true",
    "get 200 { memoryId: 'likes', content: 'Amara likes figs.', version: 1 }",
    "modules differ: true synchronizers differ: false",
  ]);
});

test.concurrent("langgraph-agent.ts: what an agent was told in one thread it knows in the next, and of its user only", async () => {
  expect((await run("langgraph-agent.ts")).trim().split("\n")).toEqual([
    "ana, monday: I will remember that.",
    "ana, monday: I will remember that.",
    "ana, friday: My daughter is allergic to cashews.",
    "ben, friday: I do not know yet.",
  ]);
});

test.concurrent("own-strategy.ts: a strategy decides what an import does with a memory that both sides changed", async () => {
  expect((await run("own-strategy.ts")).trim().split("\n")).toEqual([
    "overwritten 1, deferred 0",
    "Amara is a vegetarian.",
    "4 Amara is a vegetarian.",
    "3 Amara probably eats fish.",
    "2 Amara is a vegetarian.",
    "1 Amara eats meat.",
  ]);
});
