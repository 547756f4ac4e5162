import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { expect } from "vitest";
import { called, refused } from "./mcp-clients.ts";

export const TOOL_NAMES = [
  ...["remember", "remember_many", "recall", "get", "list", "update", "forget", "history", "check"],
];

interface Outcome {
  readonly memoryId: string;
  readonly status: string;
  readonly version: number;
}

/** Every tool once and more, as an agent would use them. The same on each transport; the namespace is empty before. */
export async function useEveryTool(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(TOOL_NAMES);
  for (const { title, description, inputSchema, outputSchema, annotations } of tools) {
    expect([typeof title, typeof description, inputSchema.type, outputSchema?.type]).toEqual(
      ["string", "string", "object", "object"], // All of it: a model chooses by the texts, a client by the schemas.
    );
    expect(annotations).toMatchObject({ openWorldHint: false, readOnlyHint: expect.any(Boolean) });
  }

  const first = await called<Outcome>(client, "remember", {
    memoryId: "likes",
    content: "Amara likes figs",
    importance: 0.9,
  });
  expect(first).toMatchObject({ memoryId: "likes", status: "synced", version: 1 });
  const named = await called<Outcome>(client, "remember", {
    content: "The train to Basel leaves at nine",
    memoryType: "episodic",
  });
  expect(named.memoryId).toHaveLength(26);

  const progress: number[] = [];
  const many = await client.callTool(
    {
      name: "remember_many",
      arguments: {
        memories: Array.from({ length: 250 }, (_, number) => ({
          memoryId: `many-${number}`,
          content: `note ${number} about plums`,
          metadata: { number, colour: number % 2 === 0 ? "red" : "blue" },
        })),
      },
    },
    undefined,
    { onprogress: ({ progress: done }) => void progress.push(done) },
  );
  const { outcomes } = many.structuredContent as { outcomes: Outcome[] };
  expect(outcomes).toHaveLength(250);
  expect(outcomes.every(({ status }) => status === "synced")).toBe(true);
  expect(progress.length).toBeGreaterThan(0);
  expect([...progress].sort((one, other) => one - other)).toEqual(progress);

  type Results = { results: { score: number; memory: { memoryId: string; metadata: { number?: number } } }[] };
  const byMeaning = await called<Results>(client, "recall", { text: "what does Amara like: figs", k: 1 });
  expect(byMeaning.results[0]?.memory.memoryId).toBe("likes");
  const byWords = await called<Results>(client, "recall", { text: "train Basel", mode: "text" });
  expect(byWords.results.map(({ memory }) => memory.memoryId)).toEqual([named.memoryId]);
  const byBoth = await called<Results>(client, "recall", { text: "figs", mode: "hybrid", k: 3 });
  expect(byBoth.results[0]?.memory.memoryId).toBe("likes");
  const filtered = await called<Results>(client, "recall", {
    text: "plums",
    k: 5,
    where: { "metadata.number": { lt: 3 } },
    filter: { metadata: { colour: "red" } },
  });
  expect(filtered.results.map(({ memory }) => memory.metadata.number).sort()).toEqual([0, 2]);

  expect(await called(client, "get", { memoryId: "likes" })).toMatchObject({ content: "Amara likes figs", version: 1 });
  const missing = await refused(client, "get", { memoryId: "nothing" });
  expect(missing.error).toMatchObject({ code: "NOT_FOUND", retryable: false });
  expect(missing.text).toContain("recall or list");

  type Page = { memories: { memoryId: string }[]; cursor: string | null };
  const where = { "metadata.number": { gte: 0 } };
  const page = await called<Page>(client, "list", { where, limit: 150 });
  const rest = await called<Page>(client, "list", { where, limit: 150, cursor: page.cursor });
  expect([page.memories.length + rest.memories.length, rest.cursor]).toEqual([250, null]);

  const updated = await called<Outcome>(client, "update", {
    memoryId: "likes",
    content: "Amara likes pears",
    expectedVersion: 1,
  });
  expect(updated).toMatchObject({ status: "synced", version: 2 });
  const conflict = await refused(client, "update", {
    memoryId: "likes",
    content: "Amara likes tea",
    expectedVersion: 1,
  });
  expect(conflict.error).toMatchObject({ code: "VERSION_CONFLICT", expectedVersion: 1, foundVersion: 2 });
  expect(conflict.text).toMatch(/get.*expectedVersion/);

  expect(await called<Outcome>(client, "forget", { memoryId: named.memoryId })).toMatchObject({ status: "synced" });
  expect(await called<Outcome>(client, "forget", { memoryId: named.memoryId })).toMatchObject({ status: "unchanged" });

  type Versions = { versions: { version: number; document: { content: string } | null }[] };
  const { versions } = await called<Versions>(client, "history", { memoryId: "likes" });
  expect(versions.map(({ version, document }) => [version, document?.content])).toEqual([
    [2, "Amara likes pears"],
    [1, "Amara likes figs"],
  ]);
  expect(await called(client, "check", { scope: "full" })).toMatchObject({ clean: true, scope: "full", findings: [] });

  const flawed = await refused(client, "remember", { content: 7 });
  expect(flawed.error).toMatchObject({ code: "VALIDATION", path: "content" });
  const unknown = await refused(client, "remember", { content: "a", colour: "red" });
  expect(unknown.text).toContain("colour");
  expect((await refused(client, "dream")).text).toContain("there are remember, remember_many");
}

/** Memories as resources: templates, a list, a read, and being told of a change. The memory `likes` exists. */
export async function useResources(client: Client, changed: () => Promise<string>): Promise<void> {
  const { resourceTemplates } = await client.listResourceTemplates();
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(["memory://{namespace}/{id}"]);
  const uris: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listResources(cursor === undefined ? {} : { cursor });
    uris.push(...page.resources.map(({ uri }) => uri));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(uris).toContain("memory://default/likes");
  expect(uris.length).toBeGreaterThan(200);

  const { contents } = await client.readResource({ uri: "memory://default/likes" });
  const { text } = contents[0] as { text: string };
  expect(JSON.parse(text)).toMatchObject({ memoryId: "likes", content: "Amara likes pears" });
  await expect(client.readResource({ uri: "memory://default/nothing" })).rejects.toMatchObject({ code: -32_002 });
  await expect(client.readResource({ uri: "memory://other/likes" })).rejects.toThrow("namespace other");
  await expect(client.readResource({ uri: "file:///etc/passwd" })).rejects.toThrow("memory://{namespace}/{id}");

  await client.subscribeResource({ uri: "memory://default/likes" });
  const told = changed();
  await called(client, "update", { memoryId: "likes", importance: 0.1 });
  expect(await told).toBe("memory://default/likes");
  await client.unsubscribeResource({ uri: "memory://default/likes" });
}
