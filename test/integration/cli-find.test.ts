import { expect, test, vi } from "vitest";
import { openCommandLine } from "../support/command-line.ts";

// Each test starts the program several times, on a machine that may be busy.
vi.setConfig({ testTimeout: 300_000 });

const lines = ["a", "b", "c"]
  .map((memoryId, number) =>
    JSON.stringify({
      memoryId,
      content: `note ${memoryId}`,
      memoryType: number === 1 ? "semantic" : "episodic",
      metadata: { number },
    }),
  )
  .join("\n");

test("memories are listed, counted, read together and patched from the command line", async () => {
  const world = await openCommandLine();
  expect((await world.run(["import", "-"], lines)).code).toBe(0);
  const where = JSON.stringify({ "metadata.number": { gte: 1 } });
  const page = await world.json<{ memories: { memoryId: string }[]; cursor: string | null }>([
    ...["list", "--where", where, "--order-by", "memoryId desc", "--limit", "1"],
  ]);
  expect(page).toMatchObject({ code: 0, document: { memories: [{ memoryId: "c" }], cursor: expect.any(String) } });
  const next = await world.run([
    "list",
    "--where",
    where,
    "--order-by",
    "memoryId desc",
    "--cursor",
    page.document.cursor ?? "",
  ]);
  expect(next.stdout).toMatch(
    /^memory +type +importance +version +modified +content\nb +semantic +0\.5 +1 .*note b\n$/,
  );
  expect(await world.json(["count", "--where", where])).toEqual({ code: 0, document: { count: 2, estimate: false } });
  expect(await world.json(["namespaces"])).toEqual({ code: 0, document: { namespaces: ["default"], cursor: null } });
  const found = await world.run(["search", "--mode", "text", "--indexes-text", "english", "notes"]);
  expect(found).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^ *score +memory +content\n( *0\.\d+ +[abc] +note [abc]\n){3}$/),
  });
  const many = await world.json<{ memories: ({ memoryId: string } | null)[] }>(["get", "c", "none", "a"]);
  expect(many.code).toBe(1);
  expect(many.document.memories.map((memory) => memory?.memoryId ?? null)).toEqual(["c", null, "a"]);
  const patched = await world.json(["patch", "a", "--importance", "0.9", "--metadata", '{"number":null,"seen":true}']);
  expect(patched).toMatchObject({ code: 0, document: { status: "synced", version: 2 } });
  const conflict = await world.json(["patch", "a", "--expect-version", "1"], '{"memoryType":"semantic"}');
  expect(conflict).toMatchObject({ code: 1, document: { status: "conflict", version: 2 } });
  expect((await world.json(["get", "a"])).document).toMatchObject({ importance: 0.9, metadata: { seen: true } });
});

test("a filter that is wrong ends the command with what is wrong about it", async () => {
  const world = await openCommandLine();
  expect(await world.run(["count", "--where", "{"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--where is no JSON"),
  });
  const refused = await world.run(["list", "--where", '{"type":{"eq":"x"}}']);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("where.type: is no field of a filter") });
});
