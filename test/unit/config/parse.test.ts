import { describe, expect, test } from "vitest";
import { optionLeaves, optionsFromEnvironment, parseOptions, setOption } from "../../../src/config/parse.ts";
import { ConfigurationError } from "../../../src/domain/errors.ts";

const urls = { postgresUrl: "postgres://u:p@h:1/d", redisUrl: "redis://h:1" };

function failure(options: object): string {
  try {
    parseOptions({ ...urls, ...options });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  throw new Error(`passed: ${JSON.stringify(options)}`);
}

describe("options", () => {
  test("have the defaults of the field", () => {
    expect(parseOptions({ ...urls, faiss: { directory: "/d" } })).toMatchObject({
      ...urls,
      redisPrefix: "mnemosync",
      redisStoreEmbedding: true,
      faiss: { directory: "/d", dimension: 384, metric: "cosine" },
      embedding: { provider: "none" },
      batchSize: 100,
      retriesMax: 3,
      onStoreDown: "degrade",
      syncIntervalMs: 5_000,
      callTimeoutMs: 60_000,
      postgresConnectionsMax: 20,
      historyVersionsMax: 10,
    });
    expect(parseOptions(urls).faiss).toBeUndefined();
  });

  test.each<[object, RegExp]>([
    [{ batchSize: 0 }, /^option batchSize \(MNEMOSYNC_BATCH_SIZE, --batch-size\): .*1/],
    [{ batchSize: 5_001 }, /^option batchSize .*5000/],
    [{ batchSize: 1.5 }, /^option batchSize /],
    [{ batchSize: "many" }, /^option batchSize .*number/],
    [{ retriesMax: -1 }, /^option retriesMax \(MNEMOSYNC_RETRIES_MAX, --retries-max\)/],
    [{ redisPrefix: "a:b" }, /^option redisPrefix .*without colon or white space/],
    [{ nodeId: "a b" }, /^option nodeId .*1 to 64/],
    [{ onStoreDown: "panic" }, /^option onStoreDown \(MNEMOSYNC_ON_STORE_DOWN, --on-store-down\).*degrade.*reject/],
    [
      { faiss: { directory: "", dimension: 8 } },
      /^option faiss\.directory \(MNEMOSYNC_FAISS_DIRECTORY, --faiss-directory\)/,
    ],
    [{ faiss: { directory: "/d", dimension: 0 } }, /^option faiss\.dimension /],
    [{ faiss: { directory: "/d", dimension: 16_385 } }, /^option faiss\.dimension .*16384/],
    [{ faiss: { directory: "/d", metric: "hamming" } }, /^option faiss\.metric .*cosine.*ip.*l2/],
    [{ faiss: { dimension: 8 } }, /^option faiss\.directory /],
    [{ embedding: { provider: "http", url: "nowhere" } }, /^option embedding\.url .*URL/],
    [{ postgresUrl: undefined }, /^option postgresUrl \(MNEMOSYNC_POSTGRES_URL, --postgres-url\)/],
  ])("%o are refused, by their names in a program, in the environment and as a flag", (options, message) => {
    expect(failure(options)).toMatch(message);
  });

  test.each([
    [{ batchsize: 5 }, "batchsize", "batchSize"],
    [{ redis_url: "x" }, "redis_url", "redisUrl"],
    [{ historyVersionMax: 5 }, "historyVersionMax", "historyVersionsMax"],
    [{ faiss: { directory: "/d", dimensions: 8 } }, "faiss.dimensions", "faiss.dimension"],
  ])("%o are unknown, and the nearest known one is named", (options, name, nearest) => {
    expect(failure(options)).toBe(`unknown option ${name}; did you mean ${nearest}?`);
  });
});

describe("the environment", () => {
  test("sets options by their path in upper snake case, with the types they have", () => {
    const options = optionsFromEnvironment({
      MNEMOSYNC_POSTGRES_URL: urls.postgresUrl,
      MNEMOSYNC_REDIS_URL: urls.redisUrl,
      MNEMOSYNC_FAISS_DIRECTORY: "/index",
      MNEMOSYNC_FAISS_DIMENSION: "8",
      MNEMOSYNC_REDIS_STORE_EMBEDDING: "false",
      MNEMOSYNC_BATCH_SIZE: "250",
      MNEMOSYNC_ON_STORE_DOWN: "reject",
      MNEMOSYNC_NODE_ID: "7",
      MNEMOSYNC_UNHEARD_OF: "x",
      PATH: "/bin",
    });
    expect(options).toEqual({
      ...urls,
      faiss: { directory: "/index", dimension: 8 },
      redisStoreEmbedding: false,
      batchSize: 250,
      onStoreDown: "reject",
      nodeId: "7",
    });
    expect(parseOptions(options).faiss?.dimension).toBe(8);
  });

  test("leaves out what is empty, and hands on what does not fit, to be refused by name", () => {
    expect(optionsFromEnvironment({ MNEMOSYNC_BATCH_SIZE: "" })).toEqual({});
    const options = optionsFromEnvironment({ MNEMOSYNC_BATCH_SIZE: "many", MNEMOSYNC_REDIS_STORE_EMBEDDING: "maybe" });
    expect(options).toEqual({ batchSize: "many", redisStoreEmbedding: "maybe" });
    expect(failure(options)).toMatch(/redisStoreEmbedding|batchSize/);
  });

  test("has a name, a flag and a description for each option, no two the same", () => {
    const leaves = optionLeaves();
    expect(leaves.length).toBeGreaterThan(20);
    for (const leaf of leaves) {
      expect(leaf.environmentName).toMatch(/^MNEMOSYNC_[A-Z]+(_[A-Z]+)*$/);
      expect(leaf.flag).toMatch(/^--[a-z]+(-[a-z]+)*$/);
      expect(leaf.description).not.toBe("");
    }
    expect(new Set(leaves.map(({ environmentName }) => environmentName)).size).toBe(leaves.length);
    expect(leaves.find(({ flag }) => flag === "--embedding-api-key")?.secret).toBe(true);
    expect(leaves.find(({ flag }) => flag === "--batch-size")?.defaultText).toBe("100");
  });
});

test("an option is set at its path, and its neighbours stay", () => {
  const options: Record<string, unknown> = { faiss: { dimension: 8 } };
  setOption(options, ["faiss", "directory"], "/d");
  setOption(options, ["embedding", "url"], "x");
  expect(options).toEqual({ faiss: { dimension: 8, directory: "/d" }, embedding: { url: "x" } });
});
