import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  documentName,
  HubTarget,
  JsonSinkState,
  JsonState,
  LightRagClient,
  LightRagSink,
  MemorySpaceClient,
  MemorySpaceSource,
  runSink,
  runSource,
  TRANSFORMS,
} from "../../src/connectors/index.ts";
import { LightRagServer } from "../support/connectors/lightrag-server.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { feedShown } from "../support/feed-shown.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld({ faiss: false });
const signal = new AbortController().signal;

let folder: string;
let space: MemorySpaceServer;
let rag: LightRagServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "connector-pipe-"));
  space = await MemorySpaceServer.start();
  rag = await LightRagServer.start({ version: "1.5.6" });
});
afterEach(async () => {
  await space.close();
  await rag.close();
  await rm(folder, { recursive: true, force: true });
});

async function pipe(): Promise<void> {
  const { sync } = shared.current;
  const client = new MemorySpaceClient({ url: space.url, context: space.context, apiKey: "secret-key" });
  const source = new MemorySpaceSource(client, { namespace: "pipe" });
  const sourceState = await JsonState.open(join(folder, "source.json"));
  const target = new HubTarget(sync, "pipe");
  expect(await runSource({ source, target, state: sourceState }, { scope: "full" }, signal)).toMatchObject({
    state: "succeeded",
  });
  await sourceState.close();
  await feedShown(shared.current);
  const sink = new LightRagSink(new LightRagClient({ url: rag.url, apiKey: "rag-key" }), { connectorId: "pipe" });
  const state = await JsonSinkState.open(join(folder, "sink.json"));
  const parts = { feed: sync, sink, state, transform: TRANSFORMS.standard };
  expect(await runSink(parts, { namespaces: ["pipe"] }, signal)).toMatchObject({ state: "succeeded" });
  await state.close();
}

const names = () => [...rag.state.documents.values()].map(({ name }) => name).sort();
const nameOf = (id: string, version: number) =>
  documentName({ connectorId: "pipe", namespace: "pipe", memoryId: `memory-space/${id}`, version });

test("items go from Memory Space through the ledger to LightRAG, edits and ends too, and erasures reach it", async () => {
  for (const id of ["a", "b", "c"]) space.put({ id, created_at: "2026-01-01T00:00:00Z", transcript: `we met ${id}` });
  await pipe();
  expect(names()).toEqual([nameOf("a", 1), nameOf("b", 1), nameOf("c", 1)].sort());
  expect([...rag.state.documents.values()].every(({ status }) => status === "processed")).toBe(true);
  space.put({ id: "a", created_at: "2026-01-01T00:00:00Z", transcript: "we met a, again" });
  space.items.delete("b");
  await shared.current.sync.erase("memory-space/c", { namespace: "pipe" });
  await pipe();
  expect(names()).toEqual([nameOf("a", 2)]);
  expect([...rag.state.documents.values()][0]?.text).toContain("we met a, again");
});
