import { expect, test, vi } from "vitest";
import { openCommandLine, runCommand, runProgram, startProgram } from "../support/command-line.ts";

// Each test starts the program several times, on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000 });

function memory(index: number, more: object = {}): string {
  const content = `Note ${index}: the parcel from shelf ${index * 7919} was sent on`;
  return JSON.stringify({ memoryId: `m-${index}`, content, memoryType: "episodic", ...more });
}

function memories(howMany: number): string {
  return `${Array.from({ length: howMany }, (_, index) => memory(index)).join("\n")}\n`;
}

test("an import writes every line to every store, and the same import again writes nothing", async () => {
  const world = await openCommandLine();
  const first = await world.run(["import", "-"], memories(30));
  expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining("30 synced") });
  const second = await world.json(["import", "-"], memories(30));
  const report = { read: 30, synced: 0, unchanged: 30, degraded: 0, rejected: 0, errors: [] };
  expect(second).toEqual({ code: 0, document: report });
  const store = { state: "healthy", memories: 30 };
  expect(await world.json(["status"])).toEqual({
    code: 0,
    document: {
      stores: { postgres: store, redis: store, faiss: store },
      backlog: { pending: 0, failed: 0, dead: 0 },
      lastCleanCheckAt: null,
      consistency: { checks: [], findings: [] },
      services: expect.any(Object),
    },
  });
  expect(await world.json(["check"])).toEqual({
    code: 0,
    document: { clean: true, scope: "full", checked: 30, findings: [], byMemory: {} },
  });
});

test("a bad line is named with its reason, the rest is written, and the exit code says so", async () => {
  const world = await openCommandLine();
  const lines = [
    `\uFEFF${memory(1)}\r`,
    "",
    '{"memoryId": "cut off',
    memory(2, { embedding: [1, 2, 3] }),
    '{"memoryId":"m-3","content":"x","memoryType":"episodic","importance":NaN}',
    memory(4, { content: "with a \u0000 inside" }),
    memory(5, { colour: "red" }),
    memory(6, { content: "x".repeat(2 * 1024 * 1024) }),
    memory(7, { namespace: "a:b" }),
    "[1]",
    memory(8, { namespace: "its-own" }),
    memory(9),
  ];
  const { code, document } = await world.json<{ errors: { line: number; code: string; message: string }[] }>(
    ["import", "-", "--namespace", "given"],
    lines.join("\n"),
  );
  expect(code).toBe(1);
  expect(document).toMatchObject({ read: 11, synced: 3, unchanged: 0, degraded: 0, rejected: 8 });
  const found = document.errors.map(({ line, code: name, message }) => [line, name, message.split(":")[0]]);
  expect(found).toEqual([
    [3, "INVALID_JSON", "not JSON"],
    [4, "VALIDATION", "embedding"],
    [5, "INVALID_JSON", "not JSON"],
    [6, "VALIDATION", "content"],
    [7, "VALIDATION", "colour"],
    [8, "VALIDATION", "content"],
    [9, "VALIDATION", "namespace"],
    [10, "VALIDATION", expect.any(String)],
  ]);
  const store = { state: "healthy", memories: 3 };
  expect((await world.json(["status"])).document).toMatchObject({
    stores: { postgres: store, redis: store, faiss: store },
  });
  expect(await world.run(["get", "m-8", "--namespace", "its-own"])).toMatchObject({ code: 0 });
});

test("what was imported can be got, searched and deleted", async () => {
  const world = await openCommandLine();
  await world.run(["import", "-"], `${memories(10)}${memory(99, { content: "Amara is allergic to cashews" })}`);
  expect(await world.json(["search", "who is allergic to cashews", "-k", "2"])).toMatchObject({
    code: 0,
    document: {
      query: "who is allergic to cashews",
      results: [
        { memoryId: "m-99", namespace: "default", version: 1, score: expect.any(Number) },
        { memoryId: expect.stringMatching(/^m-\d$/) },
      ],
    },
  });
  expect(await world.json(["get", "m-99"])).toMatchObject({
    code: 0,
    document: { memoryId: "m-99", content: "Amara is allergic to cashews", version: 1, dimension: 64, source: "redis" },
  });
  expect(await world.json(["delete", "m-99"])).toMatchObject({
    code: 0,
    document: { memoryId: "m-99", status: "synced", version: 2, stores: { redis: "applied", faiss: "applied" } },
  });
  expect(await world.json(["get", "m-99"])).toMatchObject({ code: 1, document: { error: { code: "NOT_FOUND" } } });
});

test("drift behind the program's back is found exactly, repaired, and then gone", async () => {
  const world = await openCommandLine();
  const { redis, environment } = world;
  const key = (index: number): string => `${world.prefix}:memory:default:m-${index}`;
  await world.run(["import", "-"], memories(40));
  await redis.del(key(1), key(2), key(3));
  for (const index of [4, 5]) await redis.hset(key(index), "data", '{"content":"edited by hand"}');
  await redis.hset(`${world.prefix}:memory:default:made-up`, { version: 1, checksum: "0".repeat(64), data: "{}" });
  const { child, ended } = startProgram(
    ["--postgres-url", environment.MNEMOSYNC_POSTGRES_URL ?? "", "--faiss-directory"].concat([
      environment.MNEMOSYNC_FAISS_DIRECTORY ?? "",
      "--dimension",
      "64",
      "--count",
      "2",
    ]),
    {},
    ["--import", "tsx", "test/support/drop-vectors.ts"],
  );
  child.stdin.end();
  const dropped = (await ended).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).memoryId);

  const { code, document } = await world.json<{
    checked: number;
    findings: { store: string; kind: string; memoryId: string }[];
    byMemory: Record<string, string[]>;
  }>(["check", "--scope", "deep"]);
  expect(code).toBe(1);
  expect(document.findings.map(({ store, kind, memoryId }) => `${store} ${kind} ${memoryId}`).sort()).toEqual(
    [
      ...[1, 2, 3].map((index) => `redis missing m-${index}`),
      ...[4, 5].map((index) => `redis corrupt m-${index}`),
      "redis orphan made-up",
      ...dropped.map((memoryId) => `faiss missing ${memoryId}`),
    ].sort(),
  );
  expect(document).toMatchObject({ clean: false, scope: "deep", checked: 40 });
  expect(document.findings.find(({ memoryId }) => memoryId === "made-up")).toEqual({
    namespace: "default",
    memoryId: "made-up",
    store: "redis",
    kind: "orphan",
    expectedVersion: null,
    foundVersion: 1,
  });
  expect(document.byMemory["made-up"]).toEqual(["redis"]);
  // The same for people; a look at versions alone cannot see the edited data.
  const told = await world.run(["check"]);
  expect(told).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/redis +missing +3\n(.+\n)*faiss +missing +2\n/),
  });
  expect(told.stdout).not.toContain("corrupt");

  const repair = await world.json<{ results: Record<string, boolean> }>(["repair", "--scope", "deep"]);
  expect(repair).toMatchObject({ code: 0, document: { repaired: 8, failed: 0, deferred: 0 } });
  expect(repair.document.results["made-up"]).toBe(true);
  expect(await world.run(["check", "--scope", "deep"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^deep check of 40 memories in .+: clean\n$/),
  });
});

test("what cannot be done exits with 2 and says why, in a document where one was asked for", async () => {
  const world = await openCommandLine();
  const nowhere = await runProgram(["check"]);
  expect(nowhere).toMatchObject({ code: 2, stdout: "" });
  for (const part of ["CONFIGURATION", "MNEMOSYNC_POSTGRES_URL", "--redis-url", "mnemosync demo"])
    expect(nowhere.stderr).toContain(part);
  const dead = { ...world.environment, MNEMOSYNC_POSTGRES_URL: "postgres://u:secret@127.0.0.1:1/x" };
  const away = await runProgram(["check", "--json"], dead);
  expect(away.code).toBe(2);
  expect(JSON.parse(away.stdout)).toEqual({
    error: { code: "STORE_UNAVAILABLE", message: expect.stringContaining("postgres is unavailable") },
  });
  expect(away.stdout + away.stderr).not.toContain("secret");
  // One store is enough: a check that cannot look at Redis must not call the rest clean.
  const half = await runCommand(["check"], { ...world.environment, MNEMOSYNC_REDIS_URL: "redis://127.0.0.1:1" });
  expect(half).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("redis is unavailable") });
  const misspelt = await runCommand(["check", "--scoop", "deep", "--json"], world.environment);
  expect(misspelt.code).toBe(2);
  expect(JSON.parse(misspelt.stdout)).toEqual({
    error: { code: "USAGE", message: expect.stringContaining("--scope") },
  });
});

test("an import that is stopped settles what it began, and leaves the stores consistent", async () => {
  const world = await openCommandLine();
  const { child, ended } = startProgram(["import", "-"], world.environment);
  child.stdin.write(memories(450)); // And the input stays open.
  const first = `${world.prefix}:memory:default:m-0`;
  await vi.waitFor(async () => expect(await world.redis.exists(first)).toBe(1), { timeout: 60_000, interval: 20 });
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 130, stderr: expect.stringContaining("stopped by SIGINT") });
  const { code, document } = await world.json<{ checked: number }>(["check", "--scope", "deep"]);
  expect({ code, ...document }).toMatchObject({ code: 0, clean: true });
  expect(document.checked).toBeGreaterThanOrEqual(100);
});
