import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { EXIT_CODES } from "../../src/cli/exit.ts";
import type { ConflictSummary } from "../../src/index.ts";
import { commandLineOf, type Ended, environmentOf, runProgram } from "../support/command-line.ts";
import { feedShown } from "../support/feed-shown.ts";
import { type LedgerRow, otherContent, putHashes, readHashes, readRows } from "../support/raw-stores.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: conflicts can be seen, decided and repaired from a shell, by people and by scripts. */

// Each test starts the program several times, on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000 });

/** Redis holds other, later words of `m1` and `m2` (of the base before the ledger's change), and an unknown memory. */
async function conflictedWorld(): Promise<{ world: World; theirs: LedgerRow[] }> {
  const world = await openWorld({ onTestFinished });
  await world.fill(5);
  const bases = await readRows(world, ["m1", "m2"]);
  for (const number of [1, 2]) await world.put(world.memory(number, { importance: 0.9 }));
  const theirs = bases.map((row): LedgerRow => {
    const vector = JSON.stringify({ ...JSON.parse(row.vector), elsewhere: 1 });
    const said = otherContent(row, `Redis says ${row.memoryId}`, row.embedding);
    return { ...row, ...said, version: 6, vector, modifiedAt: row.modifiedAt + 3_600_000 };
  });
  await putHashes(world, [...theirs, { ...(theirs[0] as LedgerRow), memoryId: "unknown" }]);
  await world.disconnect();
  return { world, theirs };
}

const KNOWN = { id: expect.stringMatching(/^\d+$/), namespace: "default", store: "redis", state: "pending" };

test("what waits for a decision is listed, shown and decided, and the exit codes say what is left", async () => {
  const { world, theirs } = await conflictedWorld();
  const json = <T>(...args: string[]) => commandLineOf(world).json<T>([...args]);
  expect(await json("conflicts")).toEqual({ code: 0, document: { conflicts: [] } });
  const kept = await json<{ results: object }>("repair", "--strategy", "manual");
  const results = { m1: false, m2: false, unknown: false };
  expect(kept).toEqual({ code: 1, document: { repaired: 0, failed: 0, deferred: 3, results } });

  const listed = await json<{ conflicts: ConflictSummary[] }>("conflicts");
  expect(listed.code).toBe(1);
  expect(listed.document.conflicts.toSorted((a, b) => (a.memoryId < b.memoryId ? -1 : 1))).toEqual(
    [
      { memoryId: "m1", kind: "ahead", ledgerVersion: 2, foundVersion: 6 },
      { memoryId: "m2", kind: "ahead", ledgerVersion: 2, foundVersion: 6 },
      { memoryId: "unknown", kind: "orphan", ledgerVersion: null, foundVersion: 6 },
    ].map((fields) => ({
      ...KNOWN,
      ...fields,
      strategy: "manual",
      pendingBecause: expect.stringMatching(/\S/),
      detectedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      resolvedAt: null,
      resolution: null,
    })),
  );
  const idOf = (memoryId: string): string =>
    listed.document.conflicts.find((conflict) => conflict.memoryId === memoryId)?.id as string;
  const told = await commandLineOf(world).run(["conflicts"]);
  expect(told).toMatchObject({ code: 1, stdout: expect.stringContaining("3 records") });
  for (const part of ["default/m1", "default/m2", "default/unknown", "ahead", "orphan"]) {
    expect(told.stdout).toContain(part);
  }

  const [their] = theirs as [LedgerRow];
  const shown = await json("conflicts", "show", idOf("m1"));
  expect(shown).toMatchObject({
    code: 0,
    document: {
      ...KNOWN,
      ledger: { version: 2, document: { content: "memory number 1", importance: 0.9 }, embedding: expect.any(Array) },
      found: { version: 6, checksum: their.checksum, document: JSON.parse(their.document as string) },
    },
  });
  const seen = await commandLineOf(world).run(["conflicts", "show", idOf("m1")]);
  expect(seen.code).toBe(0);
  for (const part of ["memory number 1", "Redis says m1", "/importance", `conflicts resolve ${idOf("m1")} --choose`]) {
    expect(seen.stdout).toContain(part);
  }

  expect(await json("conflicts", "resolve", idOf("m1"), "--choose", "redis")).toEqual({
    code: 0,
    document: { id: idOf("m1"), outcome: "repaired", note: expect.stringMatching(/\S/) },
  });
  const file = join(world.directory, "decision.json");
  writeFileSync(file, JSON.stringify({ content: "settled", memoryType: "note" }));
  expect(await json("conflicts", "resolve", idOf("m2"), "--document", file)).toMatchObject({ code: 0 });
  expect(await json("conflicts", "resolve", idOf("unknown"), "--remove")).toMatchObject({ code: 0 });
  expect(await commandLineOf(world).run(["conflicts"])).toMatchObject({
    code: 0,
    stdout: "no conflict awaits a decision\n",
  });
  expect(await json("conflicts", "resolve", idOf("m1"), "--choose", "postgres")).toMatchObject({
    code: 2,
    document: { error: { code: "VALIDATION", message: expect.stringContaining("resolved already") } },
  });

  const rows = await readRows(world, ["m1", "m2"]);
  expect(rows.map(({ version, document }) => [version, JSON.parse(document as string).content])).toEqual([
    [3, "Redis says m1"],
    [3, "settled"],
  ]);
  expect(await readHashes(world, ["unknown"])).toEqual([{}]);
  expect(await json("check", "--scope", "deep")).toMatchObject({ code: 0, document: { clean: true, checked: 5 } });
});

test("what each store holds of a memory is shown before anything is on record, and the exit code says whether it differs", async () => {
  const { world } = await conflictedWorld();
  const { json, run } = commandLineOf(world);
  const differs = await json<{ copies: object[] }>(["copies", "m1"]);
  expect(differs).toMatchObject({
    code: 1,
    document: {
      copies: [
        { store: "postgres", state: "live", version: 2, drift: null, embedding: expect.any(Array) },
        { store: "redis", version: 6, drift: { kind: "ahead" }, document: { content: "Redis says m1" } },
        { store: "faiss", version: 2, drift: null, document: null, note: expect.stringContaining("no contents") },
      ],
    },
  });
  const told = await run(["copies", "m1"]);
  expect(told.code).toBe(1);
  for (const part of ["default/m1", "ahead", "Redis says m1", "/content", "mnemosync check"]) {
    expect(told.stdout).toContain(part);
  }
  const same = await json<{ copies: { store: string }[] }>(["copies", "m3", "--no-index"]);
  expect([same.code, same.document.copies.map(({ store }) => store)]).toEqual([0, ["postgres", "redis"]]);
  expect(await json(["copies", "unknown"])).toMatchObject({
    code: 1,
    document: { copies: [{ state: "nothing" }, { drift: { kind: "orphan" } }, { state: "nothing" }] },
  });
  expect(await json(["copies", "never written"])).toMatchObject({
    code: 1,
    document: { error: { code: "NOT_FOUND" } },
  });
  expect(await json(["conflicts"])).toEqual({ code: 0, document: { conflicts: [] } });
});

test("a decision that changed its ground is put off, with exit code 1", async () => {
  const { world, theirs } = await conflictedWorld();
  await commandLineOf(world).run(["repair", "--strategy", "manual"]);
  const { document } = await commandLineOf(world).json<{ conflicts: ConflictSummary[] }>(["conflicts"]);
  const id = document.conflicts.find(({ memoryId }) => memoryId === "m1")?.id as string;
  await putHashes(world, [{ ...(theirs[0] as LedgerRow), version: 8 }]);
  expect(await commandLineOf(world).json(["conflicts", "resolve", id, "--choose", "redis"])).toMatchObject({
    code: 1,
    document: { id, outcome: "deferred" },
  });
  expect((await readRows(world, ["m1"]))[0]?.version).toBe(2);
});

test("a dry run says what would be done and does nothing; the strategy that is named does it", async () => {
  const { world } = await conflictedWorld();
  const before = await readHashes(world, ["m1", "m2", "unknown"]);
  const plan = await commandLineOf(world).json<{ plan: object[] }>(["repair", "--dry-run", "--strategy", "merge"]);
  expect(plan).toMatchObject({
    code: 1,
    document: { repaired: 0, failed: 0, deferred: 0, planned: 3, results: { m1: false, m2: false, unknown: false } },
  });
  expect(plan.document.plan).toHaveLength(3);
  expect(plan.document.plan[0]).toMatchObject({ outcome: "planned", strategy: "merge", note: expect.any(String) });
  expect(await commandLineOf(world).run(["repair", "--dry-run"])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("3 would be repaired; nothing was changed"),
  });
  expect(await readHashes(world, ["m1", "m2", "unknown"])).toEqual(before);
  expect([...(await world.sql`select 1 from mnemosync.conflict_resolutions`)]).toEqual([]);

  const one = await commandLineOf(world).json(["repair", "--kind", "orphan", "--strategy", "merge"]);
  expect(one).toEqual({ code: 0, document: { repaired: 1, failed: 0, deferred: 0, results: { unknown: true } } });
  const most = await commandLineOf(world).json(["repair", "--strategy", "merge", "--max", "1"]);
  expect(most).toMatchObject({ code: 1, document: { repaired: 1, deferred: 1 } });
  const rest = await commandLineOf(world).json(["repair", "--strategy", "merge"]);
  expect(rest).toMatchObject({ code: 0, document: { repaired: 1, failed: 0, deferred: 0 } });
  for (const { version, document } of await readRows(world, ["m1", "m2"])) {
    // The ledger's importance and Redis's words.
    expect(JSON.parse(document as string)).toMatchObject({ content: expect.stringMatching(/^Redis/), importance: 0.9 });
    expect(version).toBe(3);
  }
  expect(await commandLineOf(world).run(["check", "--scope", "deep"])).toMatchObject({ code: 0 });
});

test("a quick check looks at what changed since the last one", async () => {
  const { world } = await conflictedWorld();
  expect(await commandLineOf(world).run(["repair"])).toMatchObject({ code: 0 });
  const quick = async () => {
    await feedShown(world);
    return await commandLineOf(world).json(["check", "--scope", "quick"]);
  };
  // All of it is new to the first one.
  expect(await quick()).toMatchObject({ code: 0, document: { clean: true, scope: "quick", checked: 6, findings: [] } });
  expect(await quick()).toMatchObject({ code: 0, document: { clean: true, checked: 0 } });
  await world.connect();
  await world.put(world.memory(4, { content: "changed" }));
  await world.disconnect();
  await world.redis.del(world.redisKey("m4"), world.redisKey("m3"));
  const finding = { namespace: "default", store: "redis", kind: "missing", foundVersion: null };
  expect(await quick()).toMatchObject({
    code: 1,
    document: { clean: false, checked: 1, findings: [{ ...finding, memoryId: "m4", expectedVersion: 2 }] },
  });
  const told = await commandLineOf(world).run(["check", "--scope", "quick"]);
  expect(told).toMatchObject({ code: 1, stdout: expect.stringContaining("mnemosync repair --scope quick") });
  expect(await commandLineOf(world).json(["repair", "--scope", "quick"])).toMatchObject({
    code: 0,
    document: { repaired: 1 },
  });
  expect(await quick()).toMatchObject({ code: 0, document: { clean: true } });
  // What did not change is for the other scopes.
  expect(await commandLineOf(world).json(["check"])).toMatchObject({
    code: 1,
    document: { findings: [{ ...finding, memoryId: "m3", expectedVersion: 1 }] },
  });
});

test("a command that fails exits with the code of its error, and says what to do", async () => {
  const { world } = await conflictedWorld();
  const refused: readonly (readonly [string[], string, RegExp])[] = [
    [["conflicts", "flip"], "USAGE", /flip.*list, show, resolve/],
    [["conflicts", "show"], "USAGE", /needs the conflict's id/],
    [["conflicts", "show", "abc"], "VALIDATION", /"abc" is no id/],
    [["conflicts", "show", "999999"], "NOT_FOUND", /no conflict 999999/],
    [["conflicts", "resolve", "1"], "USAGE", /--choose, --document and --remove/],
    [["conflicts", "resolve", "1", "--choose", "mongo"], "USAGE", /mongo/],
    [["conflicts", "resolve", "1", "--document", "/nowhere.json"], "USAGE", /nowhere/],
    [["repair", "--strategy", "merg"], "CONFIGURATION", /did you mean merge/],
    [["check", "--scope", "quickly"], "USAGE", /quick/],
  ];
  const answers: [Ended, string, RegExp][] = [];
  for (const [args, code, message] of refused)
    answers.push([await commandLineOf(world).run([...args, "--json"]), code, message]);
  // The process ends with the same codes.
  for (const [args, code, message] of [refused[3], refused[4]] as typeof refused) {
    answers.push([await runProgram([...args, "--json"], environmentOf(world)), code, message]);
  }
  for (const [{ code: exitCode, stdout, stderr }, code, message] of answers) {
    expect(JSON.parse(stdout || stderr), stdout + stderr).toEqual({
      error: { code, message: expect.stringMatching(message) },
    });
    expect(exitCode, stdout).toBe(EXIT_CODES[code as keyof typeof EXIT_CODES]);
  }
});
