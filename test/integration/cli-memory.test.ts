import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { openCommandLine, startProgram } from "../support/command-line.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";

// Several starts of the program, on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

/** `mnemosync memory …` into a deployment, from a folder that has nothing. */
async function open() {
  const space = await MemorySpaceServer.start();
  const { environment } = await openCommandLine();
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-memory-"));
  onTestFinished(async () => {
    await space.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const { MNEMOSYNC_FAISS_DIRECTORY: _, MNEMOSYNC_FAISS_DIMENSION: __, ...stores } = environment;
  const set = {
    ...stores,
    MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY: "secret-key",
    MNEMOSYNC_CONNECTORS_MEDIA_DIRECTORY: join(folder, "media"),
  };
  const program = async (line: string) => {
    const { child, ended } = startProgram([...line.split(" "), "--json"], set);
    child.stdin.end();
    const { code, stdout, stderr } = await ended;
    return { code, json: stdout === "" ? null : (JSON.parse(stdout) as object), stderr };
  };
  return { space, folder, program };
}

test("a Memory Space is a connector of the deployment: what is known of it is in the database, and nowhere else", async () => {
  const { space, folder, program } = await open();
  const bytes = Buffer.from("a sound");
  space.put({ id: "a", created_at: new Date().toISOString(), transcript: "we met", audio: true });
  space.media.set("a/audio", { type: "audio/ogg", bytes });
  const add = `memory add --url ${space.url} --user-context ${space.context} --media audio`;
  const added = await program(add);
  expect(DOCUMENTS["memory-add"]?.parse(added.json)).toMatchObject({ into: "hub", replaced: false });
  const first = await program("memory sync");
  expect(DOCUMENTS["memory-sync"]?.parse(first.json)).toMatchObject({ run: { status: "succeeded", synced: 1 } });
  // The same connector, by its other name.
  expect((await program("connector show memory-space")).json).toMatchObject({
    ...{ origin: "api", definition: { from: { apiKey: "${MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY}" } } },
  });
  expect((await program("connector runs memory-space")).json).toMatchObject({ runs: [{ counts: { created: 1 } }] });
  expect((await program("memory sync --dry-run --force")).json).toMatchObject({ dryRun: true, run: { synced: 1 } });
  const log = await program("memory log");
  expect(DOCUMENTS["memory-log"]?.parse(log.json)).toMatchObject({ runs: [{ synced: 1, status: "succeeded" }] });
  expect((await program("memory list")).json).toMatchObject({ memories: [{ memoryId: "memory-space/a" }] });
  const output = join(folder, "sound.ogg");
  const shown = await program(`memory media memory-space/a audio --output ${output}`);
  const document = DOCUMENTS["memory-media"]?.parse(shown.json) as { media: { sha256: string }[] };
  expect(readFileSync(output)).toEqual(bytes);
  const found = await program(`connector media memory-space ${document.media[0]?.sha256}`);
  expect(DOCUMENTS["connector-media"]?.parse(found.json)).toMatchObject({ bytes: 7, contentType: "audio/ogg" });
  space.items.delete("a");
  await program("memory resync");
  expect((await program("memory list --deleted")).json).toMatchObject({ deleted: [{ itemId: "a" }] });
  expect((await program(add)).json).toMatchObject({ replaced: true });
  expect((await program("memory remove")).json).toEqual({ removed: "memory-space" });
  expect((await program("memory sync")).code).not.toBe(0);
  expect(existsSync(join(process.cwd(), ".mnemosync", "connectors"))).toBe(false);
});
