import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { commandLineOf, environmentOf, startProgram } from "../support/command-line.ts";
import { changeEpoch } from "../support/feed-world.ts";
import { openWorld } from "../support/world.ts";

// Each test starts the program several times, on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000 });

/** Starts `watch` and gathers what it prints. */
function watch(environment: Record<string, string>, args: readonly string[]) {
  const { child, ended } = startProgram(["watch", ...args], environment);
  const printed = { text: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    printed.text += chunk.toString();
  });
  const lines = (): string[] => printed.text.split("\n").filter((line) => line !== "");
  return {
    lines: async (count: number): Promise<string[]> => {
      await pollUntil(`${count} lines of watch`, 60_000, () => lines().length >= count);
      return lines();
    },
    interrupt: async () => {
      child.kill("SIGINT");
      return await ended;
    },
  };
}

test("watch prints changes as they come; after Ctrl-C it goes on behind the last one, with the cursor that it named", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const environment = environmentOf(world);
  const put = (number: number, namespace = "a", more = {}) => world.put({ ...world.memory(number, more), namespace });
  await put(1);
  await put(2, "b");
  const first = watch(environment, ["--json", "--namespace", "a", "--from", "start"]);
  await first.lines(1);
  await put(3);
  const documents = (await first.lines(2)).map((line) => JSON.parse(line));
  for (const document of documents) DOCUMENTS.watch?.parse(document);
  expect(documents).toMatchObject([{ memoryId: "m1" }, { kind: "put", memoryId: "m3", memory: { privacy: "full" } }]);
  const { code, stdout, stderr } = await first.interrupt();
  expect([code, stdout.split("\n").length]).toEqual([130, 3]);
  const cursor = /--cursor (\S+)$/m.exec(stderr)?.[1] ?? "";
  expect(cursor).toMatch(/^c1\./);
  await world.sync.delete("m1", { namespace: "a" });
  await put(4, "a", { privacy: "redacted" });
  const second = watch(environment, ["--namespace", "a", "--cursor", cursor]);
  expect(await second.lines(2)).toEqual([
    expect.stringMatching(/^\S+Z deleted a\/m1@2$/),
    expect.stringMatching(/^\S+Z put a\/m4@1 \(redacted\)$/),
  ]);
  expect((await second.interrupt()).stderr).toMatch(/go on with --cursor c1\./);
  const where = ["--where", '{"memoryId":{"prefix":"m3"}}'];
  const third = watch(environment, ["--from", "start", ...where]);
  expect(await third.lines(1)).toEqual([expect.stringMatching(/put a\/m3@1/)]);
  await third.interrupt();
});

test("watch tells each memory at its latest version, or each version with --reading versions", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const environment = environmentOf(world);
  for (const content of ["one", "two", "three"]) await world.put(world.memory(1, { content }));
  await world.put(world.memory(2));
  const told = async (lines: number, ...reading: string[]) => {
    const watching = watch(environment, ["--from", "start", ...reading]);
    const found = await watching.lines(lines);
    await watching.interrupt();
    return found.map((line) => /m\d+@\d+/.exec(line)?.[0]);
  };
  expect(await told(4, "--reading", "versions")).toEqual(["m1@1", "m1@2", "m1@3", "m2@1"]);
  expect(await told(2)).toEqual(["m1@3", "m2@1"]);
  expect(await told(2, "--reading", "changes")).toEqual(["m1@3", "m2@1"]);
});

test("a cursor of another history is refused, and none is named to go on with", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const { cursor } = await world.sync.readChanges({ from: "now" });
  await changeEpoch(world.sql);
  const gone = await commandLineOf(world).run(["watch", "--cursor", cursor]);
  expect([gone.code, gone.stderr]).toEqual([2, expect.stringMatching(/error EPOCH_CHANGED/)]);
  expect(gone.stderr).not.toMatch(/go on with/);
});
