import { expect, test, vi } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { environmentOf, startProgram } from "../support/command-line.ts";
import { openReplicaWorld } from "../support/replica-world.ts";

// Each command starts the program.
vi.setConfig({ testTimeout: 300_000 });

/** Goal: each action of `mnemosync replica`, and reads with what they stand on, as a person and as a script see them. */

test("replica: each action prints its document, a table, and the exit code of what it found", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { retriesMax: 0, archive: "expired", readTimeoutMs: 20_000 },
    world: { settings: { syncIntervalMs: 100 } },
  });
  const environment = {
    ...environmentOf(world.world),
    MNEMOSYNC_REDIS_URL: "none",
    MNEMOSYNC_REPLICA_ENABLED: "true",
    MNEMOSYNC_REPLICA_POSTGRES_URL: world.replicaUrl,
    MNEMOSYNC_REPLICA_ARCHIVE: "expired",
    MNEMOSYNC_REPLICA_READ_TIMEOUT_MS: "20000",
  };
  const run = async (args: readonly string[], more: Record<string, string> = {}) => {
    const { child, ended } = startProgram(args, { ...environment, ...more });
    child.stdin.end();
    return await ended;
  };
  const json = async (schema: string, ...args: string[]) => {
    const { code, stdout, stderr } = await run([...args, "--json"]);
    expect(stdout, stderr).not.toBe("");
    return { code, document: DOCUMENTS[schema]?.parse(JSON.parse(stdout)) };
  };
  await world.put("a", { content: "one" });
  await world.put("b", { content: "two", expiresAt: "2020-01-01T00:00:00.000Z" });
  await expect
    .poll(() => world.world.sql`select ended_by from mnemosync.memory_versions where memory_id = 'b'`, {
      timeout: 60_000,
    })
    .toEqual([{ ended_by: "expired" }]);
  await world.caughtUp();

  expect(await json("replica", "replica", "status")).toMatchObject({
    code: 0,
    document: { isUp: true, phase: "following", lag: { changes: 0, seconds: 0 }, deadLetters: { dead: 0 } },
  });
  expect((await run(["replica"])).stdout).toMatch(/phase +following\n[\s\S]*lag +0 changes, 0 s/);
  expect(await json("replica", "replica", "pause")).toMatchObject({ code: 0, document: { isPaused: true } });
  expect(await json("replica", "replica", "resume")).toMatchObject({ code: 0, document: { isPaused: false } });

  // Reads say what they stand on.
  const sources = { primary: "ok", replica: "ok" };
  expect(await json("get", "get", "b")).toMatchObject({
    code: 0,
    document: { content: "two", source: "replica", sources },
  });
  expect(await json("list", "list")).toMatchObject({
    code: 0,
    document: { memories: [{ memoryId: "a" }, { memoryId: "b" }], sources },
  });
  expect(await json("count", "count")).toMatchObject({ document: { count: 2, sources } });
  expect(await json("history", "history", "b")).toMatchObject({ document: { sources } });
  const away = await run(["get", "a", "--json"], { MNEMOSYNC_REPLICA_POSTGRES_URL: "postgres://127.0.0.1:1/nowhere" });
  expect(JSON.parse(away.stdout)).toMatchObject({ content: "one" });
  const listed = await run(["list"], { MNEMOSYNC_REPLICA_POSTGRES_URL: "postgres://127.0.0.1:1/nowhere" });
  expect(listed).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("the replica did not answer: the answer is the primary's alone"),
  });

  await world.replica`
    alter table mnemosync.memory_bodies add constraint no_poison check (memory_id <> 'poison') not valid`;
  await world.put("poison", { content: "x" });
  await expect.poll(async () => (await world.sync.replica.status()).deadLetters?.dead, { timeout: 60_000 }).toBe(1);
  const letters = await json("replica-dead-letters", "replica", "dead-letters");
  expect(letters).toMatchObject({
    code: 1,
    document: { deadLetters: [{ memoryId: "poison", operation: "put", nextAttemptAt: null }] },
  });
  expect((await run(["replica", "dead-letters"])).stdout).toMatch(/put +default\/poison +1 +dead +.*no_poison/);
  expect(await json("replica", "replica", "status")).toMatchObject({ code: 1, document: { deadLetters: { dead: 1 } } });
  expect(await json("replica-verify", "replica", "verify")).toMatchObject({
    code: 1,
    document: { clean: false, findings: [{ memoryId: "poison", kind: "missing", repaired: null }] },
  });
  expect((await run(["replica", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])).code).toBe(1);
  const [id] = ((letters.document as { deadLetters: { id: string }[] }).deadLetters ?? []).map((letter) => letter.id);
  expect((await run(["replica", "drop", id as string])).stdout).toBe("1 dead letter forgotten\n");
  expect((await run(["replica", "retry"])).stdout).toBe("0 dead letters due again\n");
  await world.replica`alter table mnemosync.memory_bodies drop constraint no_poison`;
  const repaired = await run(["replica", "verify", "--repair"]);
  expect(repaired).toMatchObject({ code: 0, stdout: expect.stringMatching(/missing +default\/poison +1 +yes/) });
  expect(await run(["replica", "verify", "--deep"])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("nothing differs"),
  });
  expect(await json("replica", "replica", "backfill")).toMatchObject({ code: 0 });
  await world.caughtUp();
  expect(await run(["replica", "explode"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("expected status, pause"),
  });

  const opened = await run(["get", "a"], {
    MNEMOSYNC_POSTGRES_URL: world.replicaUrl,
    MNEMOSYNC_REPLICA_ENABLED: "false",
  });
  expect(opened).toMatchObject({ code: 2, stderr: expect.stringContaining("mnemosync replica promote") });
  expect(await json("replica-promote", "replica", "promote")).toMatchObject({
    code: 0,
    document: { memories: 2, diverged: 0 },
  });
  expect((await run(["replica", "promote"])).stderr).toContain("no replica");
  const promoted = { MNEMOSYNC_POSTGRES_URL: world.replicaUrl, MNEMOSYNC_REPLICA_ENABLED: "false" };
  expect(await run(["get", "poison"], promoted)).toMatchObject({ code: 0, stdout: expect.stringContaining("x") });
  const none = await run(["replica", "promote"], {
    MNEMOSYNC_REPLICA_POSTGRES_URL: "",
    MNEMOSYNC_REPLICA_ENABLED: "false",
  });
  expect(none.code).toBe(2);
});
