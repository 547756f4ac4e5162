import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  documentName,
  JsonSinkState,
  JsonState,
  LightRagClient,
  LightRagSink,
  MemorySpaceClient,
  MemorySpaceSource,
  runSink,
  runSource,
  type Sink,
  TRANSFORMS,
} from "../../src/connectors/index.ts";
import { MemoryFeedDouble } from "../support/connectors/memory-feed.ts";
import { MemoryTarget } from "../support/connectors/memory-target.ts";

/**
 * Goal: what was built against stand-ins holds against real servers. Each part runs where its variables are set:
 *
 *     MNEMOSYNC_TEST_LIGHTRAG_URL [MNEMOSYNC_TEST_LIGHTRAG_API_KEY]    it takes, updates and removes three documents of its own
 *     MNEMOSYNC_TEST_MEMORY_SPACE_URL MNEMOSYNC_TEST_MEMORY_SPACE_CONTEXT [MNEMOSYNC_TEST_MEMORY_SPACE_API_KEY]    it only reads
 */

const { env } = process;
const signal = new AbortController().signal;
/** A language model takes its time. */
const PATIENCE_MS = 900_000;
const CLEARING_MS = 120_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "connectors-real-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!env.MNEMOSYNC_TEST_LIGHTRAG_URL)("a real LightRAG server", () => {
  const url = env.MNEMOSYNC_TEST_LIGHTRAG_URL ?? "";
  const apiKey = env.MNEMOSYNC_TEST_LIGHTRAG_API_KEY;
  const options = { url, ...(apiKey !== undefined && { apiKey }) };
  const connectorId = `real-${randomBytes(6).toString("hex")}`;
  const feed = new MemoryFeedDouble();

  async function run() {
    const state = await JsonSinkState.open(join(folder, "sink.json"));
    const sink = newSink() as Sink<unknown>;
    const record = await runSink({ feed, sink, state, transform: TRANSFORMS.plain }, {}, signal);
    await state.close();
    return record;
  }

  const newSink = () => new LightRagSink(new LightRagClient(options), { connectorId });
  const ownNames = new Set(
    ["ada", "charles", "mary"].flatMap((memoryId) =>
      [1, 2, 3].map((version) => documentName({ connectorId, namespace: "default", memoryId, version })),
    ),
  );

  /** A test that failed leaves nothing there either. */
  async function removeAll(): Promise<void> {
    const sink = newSink();
    const isGone = async () => (await sink.remove([...ownNames], signal)).length === 0;
    await expect.poll(isGone, { timeout: CLEARING_MS, interval: 2_000 }).toBe(true);
  }

  async function documents(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for await (const { name, state } of new LightRagClient(options).documents(signal)) {
      if (ownNames.has(name)) found.set(name, state);
    }
    return found;
  }

  async function entities(): Promise<readonly string[]> {
    const headers = apiKey === undefined ? {} : { "x-api-key": apiKey };
    const response = await fetch(new URL("graph/label/list", url.endsWith("/") ? url : `${url}/`), { headers });
    expect(response.status).toBe(200);
    return (await response.json()) as string[];
  }

  test(
    "takes memories: they are processed, their entities are in its graph, and edits and ends reach it",
    async ({ onTestFinished }) => {
      onTestFinished(removeAll, CLEARING_MS);
      expect(await new LightRagClient(options).ping(signal)).toMatchObject({
        contract: expect.stringMatching(/^1\.[45]$/),
      });
      feed.put("ada", "Ada Lovelace wrote the first program for the Analytical Engine in London.");
      feed.put("charles", "Charles Babbage designed the Analytical Engine, and Joseph Clement built parts of it.");
      feed.put("mary", "Mary Somerville taught Ada Lovelace mathematics.");
      expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 3, failed: 0 } });
      expect([...(await documents()).values()]).toEqual(["processed", "processed", "processed"]);
      const names = (await entities()).join("\n").toLowerCase();
      expect(
        ["lovelace", "babbage", "somerville", "analytical engine"].filter((name) => names.includes(name)),
      ).not.toEqual([]);

      expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 0, updated: 0 } });
      feed.put("ada", "Ada Lovelace published her notes on the Analytical Engine in 1843.");
      feed.delete("mary");
      expect(await run()).toMatchObject({ state: "succeeded", counts: { updated: 1, deleted: 1 } });
      expect((await documents()).size).toBe(2);

      for (const memoryId of ["ada", "charles"]) feed.delete(memoryId);
      expect(await run()).toMatchObject({ state: "succeeded", counts: { deleted: 2 } });
      expect((await documents()).size).toBe(0);
    },
    PATIENCE_MS,
  );
});

describe.skipIf(!env.MNEMOSYNC_TEST_MEMORY_SPACE_URL)("a real Memory Space", () => {
  const apiKey = env.MNEMOSYNC_TEST_MEMORY_SPACE_API_KEY;
  const client = () =>
    new MemorySpaceClient({
      url: env.MNEMOSYNC_TEST_MEMORY_SPACE_URL ?? "",
      context: env.MNEMOSYNC_TEST_MEMORY_SPACE_CONTEXT ?? "",
      ...(apiKey !== undefined && { apiKey }),
    });

  test(
    "is read whole, twice the same, and each item by its id",
    async () => {
      await client().ping({ signal });
      const target = new MemoryTarget();
      const run = async () => {
        const state = await JsonState.open(join(folder, "source.json"));
        const source = new MemorySpaceSource(client(), {});
        const record = await runSource({ source, target, state }, { scope: "full" }, signal);
        await state.close();
        return record;
      };
      const first = await run();
      expect(first).toMatchObject({ state: "succeeded" });
      expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 0, updated: 0, deleted: 0 } });
      const source = new MemorySpaceSource(client(), {});
      for (const memoryId of [...target.memories.keys()].slice(0, 5)) {
        const id = memoryId.replace("memory-space/", "");
        expect(await source.get(id, signal)).toMatchObject({ id, hash: target.memories.get(memoryId)?.hash });
      }
      expect(await source.get(`absent-${randomBytes(6).toString("hex")}`, signal)).toBeNull();
    },
    PATIENCE_MS,
  );
});
