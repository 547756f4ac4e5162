import { existsSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { expect, onTestFinished, test } from "vitest";
import type { Invocation } from "../../../src/cli/command.ts";
import { memoryCommand } from "../../../src/cli/commands/memory.ts";
import { DOCUMENTS } from "../../../src/documents/command-documents.ts";
import { EdgeStore } from "../../../src/edge/index.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { MemorySpaceServer } from "../../support/connectors/memory-space-server.ts";
import { temporaryFolder } from "../../support/edges.ts";

/** Each command opens the file in a worker of its own, which starts slowly from sources. */
const TIMEOUT = { timeout: 300_000 };

const KEY = { MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY: "secret-key" };

/** `mnemosync memory …` on an edge's file of the test's own, and a stand-in of Memory Space. */
async function open() {
  const server = await MemorySpaceServer.start();
  onTestFinished(() => server.close());
  const path = `${temporaryFolder()}/edge.db`;
  const memory = async (line: string, environment: Record<string, string> = KEY) => {
    const parsed = new Command("memory").exitOverride().argument("[action...]");
    memoryCommand.configure?.(parsed);
    let result: Awaited<ReturnType<typeof memoryCommand.run>> | null = null;
    parsed.action(async () => {
      const invocation = {
        ...{
          settings: { edge: { path } },
          layers: {},
          args: parsed.args,
          flags: parsed.opts(),
          json: true,
          environment,
        },
        ...{ log: silentLog, signal: new AbortController().signal, say: () => undefined, note: () => undefined },
      };
      result = await memoryCommand.run(invocation as unknown as Invocation);
    });
    await parsed.parseAsync(line.split(" "), { from: "user" });
    if (result === null) throw new Error("the command gave no result");
    return result as Awaited<ReturnType<typeof memoryCommand.run>>;
  };
  const add = (more = "") => memory(`add --url ${server.url} --user-context ${server.context}${more}`);
  return { server, path, memory, add };
}

function put(server: MemorySpaceServer, id: string, time: Date, tags: readonly string[] = []): void {
  server.put({ id, created_at: time.toISOString(), transcript: `we talked about ${id}`, tags });
}

test(
  "a Memory Space is added, synced, listed and viewed, each answer as declared; a run says what it did",
  TIMEOUT,
  async () => {
    const { server, memory, add } = await open();
    const now = new Date();
    const longAgo = new Date(Date.UTC(2020, 0, 1));
    put(server, "today", now, ["work"]);
    put(server, "old", longAgo, ["work"]);
    put(server, "private", now, ["home"]);
    const added = await add(" --tags work");
    expect(DOCUMENTS["memory-add"]?.parse(added.json)).toMatchObject({ into: "edge", replaced: false });
    expect(JSON.stringify(added)).not.toContain("secret-key");

    const first = await memory("sync");
    expect(first.exitCode).toBe(0);
    expect(DOCUMENTS["memory-sync"]?.parse(first.json)).toMatchObject({
      run: { available: 2, synced: 2, status: "succeeded" },
    });
    expect(first.text).toMatch(/^succeeded: 2 items read in .*: 2 new, 0 changed, 0 unchanged$/);

    const listed = DOCUMENTS["memory-list"]?.parse((await memory("list")).json) as { memories: { memoryId: string }[] };
    expect(listed.memories.map(({ memoryId }) => memoryId)).toEqual(["memory-space/old", "memory-space/today"]);
    const viewed = DOCUMENTS["memory-view"]?.parse((await memory("view --month")).json);
    expect(viewed).toMatchObject({ memories: [{ memoryId: "memory-space/today" }], more: false });
    put(server, "today-too", now, ["work"]);
    await memory("sync");
    const cut = await memory("view --today --limit 1");
    expect(DOCUMENTS["memory-view"]?.parse(cut.json)).toMatchObject({ memories: [{}], more: true });
    expect(cut.text).toContain("there may be more than these 1");
    expect((await memory("list --limit 1")).json).toMatchObject({ cursor: "memory-space/old" });

    const log = await memory("log");
    expect(DOCUMENTS["memory-log"]?.parse(log.json)).toMatchObject({
      runs: [{ synced: 1 }, { available: 2, synced: 2 }],
    });
    const pinged = await memory("ping");
    expect(DOCUMENTS["memory-ping"]?.parse(pinged.json)).toMatchObject({ filters: "dates" });
  },
);

test(
  "a resync deletes what the service has no more, a dry run only counts it, and deleted items stay listed",
  TIMEOUT,
  async () => {
    const { server, path, memory, add } = await open();
    for (const id of ["a", "b", "c"]) put(server, id, new Date());
    await add();
    await memory("sync");
    server.items.delete("b");
    const dry = await memory("resync --dry-run");
    expect(dry.json).toMatchObject({ dryRun: true, run: { counts: { deleted: 1 } } });
    expect(dry.text).toContain("nothing was written; a run would have");
    const edge = await EdgeStore.open({ path });
    expect(await edge.get("memory-space/b")).not.toBeNull();
    await edge.close();
    expect((await memory("resync")).json).toMatchObject({ run: { counts: { deleted: 1 } } });
    const deleted = await memory("list --deleted");
    expect(DOCUMENTS["memory-deleted"]?.parse(deleted.json)).toEqual({
      deleted: [{ itemId: "b", memoryId: "memory-space/b" }],
      cursor: null,
    });
    expect((await memory("list")).json).toMatchObject({ memories: [{}, {}] });
    expect((await memory("log")).json).toMatchObject({ runs: [{ scope: "full" }, { scope: "changes" }] });
  },
);

test("a limit makes a run partial, which has an exit code of its own; force imports again", TIMEOUT, async () => {
  const { server, memory, add } = await open();
  for (let index = 0; index < 5; index++) put(server, `i${index}`, new Date());
  await add();
  const part = await memory("sync --limit 2");
  expect(part).toMatchObject({ exitCode: 3, json: { run: { status: "partial", synced: 2 } } });
  expect(part.text).toContain("INCOMPLETE: the limit of 2 items is reached");
  expect(await memory("sync")).toMatchObject({ exitCode: 0, json: { run: { synced: 3 } } });
  expect((await memory("sync --force")).json).toMatchObject({ run: { counts: { unchanged: 5 } } });
});

test("a key is read from its variable when it is needed, and a missing one is named", TIMEOUT, async () => {
  const { server, memory, add } = await open();
  await add();
  await expect(memory("sync", {})).rejects.toThrow("MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY is not set");
  const line = `add --url ${server.url} --user-context ${server.context} --api-key-env SPACE_KEY`;
  await expect(memory(line)).rejects.toThrow("SPACE_KEY is not set");
  expect((await memory(line, { SPACE_KEY: "secret-key" })).json).toMatchObject({
    replaced: true,
    space: { apiKey: "SPACE_KEY" },
  });
  const refused = await memory("sync", { SPACE_KEY: "wrong" });
  expect(refused).toMatchObject({
    exitCode: 2,
    json: { run: { status: "failed", error: { code: "AUTHENTICATION" } } },
  });
  expect(JSON.stringify(refused)).not.toContain("wrong");
});

test("files are fetched where they are chosen, shown, copied, and go with their memory", TIMEOUT, async () => {
  const { server, path, memory, add } = await open();
  const bytes = Buffer.from("a sound");
  server.put({ id: "a", created_at: new Date().toISOString(), transcript: "with a sound", audio: true });
  server.media.set("a/audio", { type: "audio/ogg;codecs=opus", bytes });
  await add(" --media audio,image");
  expect(await memory("sync")).toMatchObject({
    ...{ exitCode: 0, json: { run: { counts: { media: 1, bytes: 7 } } } },
    text: expect.stringContaining("1 new, 0 changed, 0 unchanged, 1 file fetched (7 bytes)"),
  });
  const shown = await memory("media memory-space/a");
  const document = DOCUMENTS["memory-media"]?.parse(shown.json) as { media: { path: string }[] };
  expect(document).toMatchObject({ media: [{ kind: "audio", contentType: "audio/ogg;codecs=opus", bytes: 7 }] });
  expect(document.media[0]?.path).toContain(`${path}.media/`);
  const output = `${path}.ogg`;
  await memory(`media memory-space/a audio --output ${output}`);
  expect(readFileSync(output)).toEqual(bytes);
  await expect(memory("media memory-space/a image")).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(memory("media")).rejects.toThrow("memory media <memory>");
  server.items.delete("a");
  await memory("resync");
  expect(existsSync(document.media[0]?.path ?? "")).toBe(false);
});

test("what is wrong is said with what to do", TIMEOUT, async () => {
  const { memory, add } = await open();
  await expect(memory("sync")).rejects.toThrow("mnemosync memory add --url");
  await expect(memory("add --url http://127.0.0.1")).rejects.toThrow("--user-context");
  await expect(memory("frobnicate")).rejects.toThrow("expected add, remove, ping");
  await add();
  await expect(memory("view --week --month")).rejects.toThrow("give one of");
  await expect(memory("list --limit 1001")).rejects.toThrow("--limit 1001: expected a whole number from 1 to 1000");
  await expect(memory("log --limit 1001")).rejects.toThrow("from 1 to 1000");
  await expect(memory("view --limit 10001")).rejects.toThrow("from 1 to 10000");
  await expect(memory("list --id other")).rejects.toThrow('there is no Memory Space "other"');
  expect((await memory("remove")).json).toEqual({ removed: "memory-space" });
  await expect(memory("remove")).rejects.toMatchObject({ code: "NOT_FOUND" });
});
