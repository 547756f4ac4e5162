import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, onTestFinished, test, vi } from "vitest";
import type { CliCommand, Invocation } from "../../src/cli/command.ts";
import { connectorCommand } from "../../src/cli/commands/connector.ts";
import { memoryCommand } from "../../src/cli/commands/memory.ts";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { sharedWorld } from "../support/world.ts";

// Each command connects anew, on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const shared = sharedWorld({ faiss: false });
const KEY_VARIABLE = "MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY";

/** `mnemosync memory …` and `connector …` on a deployment. */
async function open() {
  const space = await MemorySpaceServer.start();
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-memory-"));
  vi.stubEnv(KEY_VARIABLE, "secret-key");
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await space.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const { databaseUrl, redisUrl, prefix } = shared.current;
  const settings = {
    ...{ postgresUrl: databaseUrl, redisUrl, redisPrefix: prefix, embedding: { provider: "none" } },
    connectors: { mediaDirectory: join(folder, "media") },
  };
  const ran = async (command: CliCommand, line: string) => {
    const parsed = new Command("program").exitOverride().argument("[action...]");
    command.configure?.(parsed);
    let result: Awaited<ReturnType<CliCommand["run"]>> | null = null;
    parsed.action(async () => {
      const invocation = {
        ...{ settings, layers: {}, args: parsed.args, flags: parsed.opts(), json: true, environment: process.env },
        ...{ log: silentLog, signal: new AbortController().signal, say: () => undefined, note: () => undefined },
      };
      result = await command.run(invocation as unknown as Invocation);
    });
    await parsed.parseAsync(line.split(" "), { from: "user" });
    if (result === null) throw new Error("the command gave no result");
    return result as Awaited<ReturnType<CliCommand["run"]>>;
  };
  return {
    ...{ space, folder },
    memory: (line: string) => ran(memoryCommand, line),
    connector: (line: string) => ran(connectorCommand, line),
  };
}

test("a Memory Space is a connector of the deployment: what is known of it is in the database, and nowhere else", async () => {
  const { space, folder, memory, connector } = await open();
  const bytes = Buffer.from("a sound");
  space.put({ id: "a", created_at: new Date().toISOString(), transcript: "we met", audio: true });
  space.media.set("a/audio", { type: "audio/ogg", bytes });
  const add = `add --url ${space.url} --user-context ${space.context} --media audio`;
  expect(DOCUMENTS["memory-add"]?.parse((await memory(add)).json)).toMatchObject({ into: "hub", replaced: false });
  const first = await memory("sync");
  expect(DOCUMENTS["memory-sync"]?.parse(first.json)).toMatchObject({ run: { status: "succeeded", synced: 1 } });
  // The same connector, by its other name.
  expect((await connector("show memory-space")).json).toMatchObject({
    ...{ origin: "api", definition: { from: { apiKey: `\${${KEY_VARIABLE}}` } } },
  });
  const runs = await connector("runs memory-space");
  expect(DOCUMENTS["connector-runs"]?.parse(runs.json)).toMatchObject({
    runs: [{ counts: { created: 1, media: 1, bytes: 7 } }],
  });
  expect(runs.text).toContain("1 read, 1 created, 1 file fetched (7 bytes)");
  expect((await memory("sync --dry-run --force")).json).toMatchObject({ dryRun: true, run: { synced: 1 } });
  const log = await memory("log");
  expect(DOCUMENTS["memory-log"]?.parse(log.json)).toMatchObject({ runs: [{ synced: 1, status: "succeeded" }] });
  expect((log.json as { runs: unknown[] }).runs).toHaveLength(1);
  expect((await memory("list")).json).toMatchObject({ memories: [{ memoryId: "memory-space/a" }] });
  const output = join(folder, "sound.ogg");
  const shown = await memory(`media memory-space/a audio --output ${output}`);
  const document = DOCUMENTS["memory-media"]?.parse(shown.json) as { media: { sha256: string }[] };
  expect(readFileSync(output)).toEqual(bytes);
  const found = await connector(`media memory-space ${document.media[0]?.sha256}`);
  expect(DOCUMENTS["connector-media"]?.parse(found.json)).toMatchObject({ bytes: 7, contentType: "audio/ogg" });
  space.items.delete("a");
  await memory("resync");
  expect((await memory("list --deleted")).json).toMatchObject({ deleted: [{ itemId: "a" }] });
  expect((await memory(add)).json).toMatchObject({ replaced: true });
  expect((await memory("remove")).json).toEqual({ removed: "memory-space" });
  await expect(memory("sync")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(existsSync(join(process.cwd(), ".mnemosync", "connectors"))).toBe(false);
});

test("a connector of another kind is not taken for a Memory Space, and not replaced", async () => {
  const { space, memory, connector } = await open();
  const graph = { from: { type: "memories" }, to: { type: "lightrag", url: "http://127.0.0.1:9" } };
  await connector(`add graph ${JSON.stringify(graph)}`);
  const add = `add --id graph --url ${space.url} --user-context ${space.context}`;
  await expect(memory(add)).rejects.toThrow("connector graph is no Memory Space whose memories come here");
  await expect(memory("remove --id graph")).rejects.toThrow("is no Memory Space");
  expect((await connector("show graph")).json).toMatchObject({ revision: 1, definition: graph });
});
