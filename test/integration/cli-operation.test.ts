import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { expect, onTestFinished, test, vi } from "vitest";
import { openCommandLine, runCommand, startProgram } from "../support/command-line.ts";
import { startCluster, startSentinels } from "../support/redis-topologies.ts";

vi.setConfig({ testTimeout: 300_000 });

function settingsFile(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-settings-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("a memory is put, changed at its version only, shown in its history and rolled back", async () => {
  const cli = await openCommandLine();
  const put = await cli.json(["put", "m1", "--content", "first", "--importance", "0.9", "--metadata", '{"a":1}']);
  expect(put).toMatchObject({ code: 0, document: { memoryId: "m1", status: "synced", version: 1 } });
  const object = JSON.stringify({ content: "second", memoryType: "semantic" });
  expect(await cli.json(["put", "m1", "--expect-version", "1"], object)).toMatchObject({ document: { version: 2 } });
  expect(await cli.json(["put", "m1", "--expect-version", "1"], object)).toMatchObject({
    code: 1,
    document: { status: "conflict", version: 2, error: { code: "VERSION_CONFLICT" } },
  });
  const history = await cli.json<{ versions: { version: number; document: { content: string } }[] }>(["history", "m1"]);
  expect(history.document.versions.map(({ version, document }) => [version, document.content])).toEqual([
    [2, "second"],
    [1, "first"],
  ]);
  expect(await cli.run(["rollback", "m1", "1"])).toMatchObject({
    code: 0,
    stdout: "default/m1: rolled back to version 1, as version 3\n",
  });
  expect(await cli.json(["get", "m1"])).toMatchObject({
    document: { content: "first", importance: 0.9, metadata: { a: 1 }, version: 3 },
  });
  for (const [args, input, reason] of [
    [["put", "--content", "x"], "", "needs the memory's id"],
    [["put", "m1"], "[1]", "must be one JSON object"],
    [["put", "m1"], '{"memoryId":"m2","content":"x"}', "two ids"],
    [["put", "m1", "--privacy", "full"], object, "add --content"],
    [["put", "m1", "--content", "x", "--expect-version", "-1"], "", "whole number from 0"],
    [["history", "m1", "--limit", "0"], "", "whole number from 1"],
    [["queue", "explode"], "", "expected list, retry, drop, pause, resume"],
  ] as const) {
    expect(await cli.run(args, input)).toMatchObject({ code: 2, stderr: expect.stringContaining(reason) });
  }
  for (const [args, reason] of [
    [["history", "nobody"], "no memory"],
    [["rollback", "m1", "9"], "not kept; versions kept: 1 to 3"],
  ] as const) {
    expect(await cli.run(args)).toMatchObject({ code: 1, stderr: expect.stringContaining(reason) });
  }
});

test("the queue is listed, held for all nodes and let go, and its dead letters are retried or dropped", async () => {
  const cli = await openCommandLine();
  await cli.run(["put", "m1", "--content", "x"]);
  const sql = postgres(cli.environment.MNEMOSYNC_POSTGRES_URL as string, { max: 1, onnotice: () => undefined });
  onTestFinished(async () => await sql.end());
  await sql`insert into mnemosync.sync_queue (store, node_id, namespace, memory_id) values ('redis', '', 'default', 'm1')`;
  await cli.redis.del(`${cli.prefix}:memory:default:m1`);
  expect(await cli.json(["queue", "pause"])).toEqual({ code: 0, document: { paused: true } });
  await cli.run(["repair"]);
  expect(await cli.json(["queue"])).toMatchObject({
    code: 0,
    document: { paused: true, entries: [{ store: "redis", memoryId: "m1", state: "pending", attempts: 0 }] },
  });
  await sql`update mnemosync.sync_queue set dead_at = clock_timestamp(), last_error = 'refused'`;
  expect(await cli.run(["queue", "list"])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/paused.*\n.*\ndead +redis +default\/m1 .*refused/),
  });
  expect(await cli.json(["queue", "retry"])).toEqual({ code: 0, document: { retried: 1 } });
  expect(await cli.json(["queue", "resume"])).toEqual({ code: 0, document: { paused: false } });
  await cli.run(["repair"]);
  expect(await cli.json(["queue"])).toEqual({ code: 0, document: { paused: false, entries: [] } });
  expect(await cli.redis.hget(`${cli.prefix}:memory:default:m1`, "version")).toBe("1");
  expect(await cli.json(["queue", "drop"])).toEqual({ code: 0, document: { dropped: 0 } });
});

test("the doctor finds a healthy set-up healthy, and says what to do about others", async () => {
  const cli = await openCommandLine({ empty: true });
  interface Report {
    healthy: boolean;
    checks: { check: string; state: string; found: string; advice?: string }[];
  }
  const before = await cli.json<Report>(["doctor"]);
  const state = (report: Report, name: string) => report.checks.find(({ check }) => check === name)?.state;
  expect(state(before.document, "postgres.schema")).toBe("note");
  await cli.run(["migrate"]);
  const { document } = await cli.json<Report>(["doctor"]);
  const wanted = ["node.version", "postgres.schema", "postgres.permissions", "postgres.writable", "postgres.feed"];
  for (const check of [...wanted, "postgres.clock", "redis.writable", "faiss.binding", "faiss.directory"]) {
    expect([check, state(document, check)]).toEqual([check, "ok"]);
  }
  expect(document.checks.filter(({ state: found }) => found === "failure")).toEqual([]);
  const away = await runCommand(["doctor", "--json"], {
    ...cli.environment,
    MNEMOSYNC_REDIS_URL: "redis://:secret@127.0.0.1:1",
  });
  expect(away.code).toBe(2);
  expect(away.stdout).not.toContain("secret");
  expect(state(JSON.parse(away.stdout), "redis.reachable")).toBe("failure");

  // A user who may connect and nothing else.
  const administrator = postgres(cli.environment.MNEMOSYNC_POSTGRES_URL as string, {
    max: 1,
    onnotice: () => undefined,
  });
  const role = `poor_${cli.prefix}`;
  onTestFinished(async () => {
    await administrator.unsafe(`drop owned by ${role}; drop role ${role}`);
    await administrator.end();
  });
  await administrator.unsafe(`create role ${role} login password 'x'`);
  const url = new URL(cli.environment.MNEMOSYNC_POSTGRES_URL as string);
  url.username = role;
  url.password = "x";
  const poor = await runCommand(["doctor"], { ...cli.environment, MNEMOSYNC_POSTGRES_URL: url.href });
  expect(poor).toMatchObject({
    code: 2,
    stdout: expect.stringContaining(`grant usage on schema mnemosync to ${role}`),
  });
});

test("migrate and doctor find the servers as the service does: hosts in turn, sentinels, a cluster", async () => {
  const cli = await openCommandLine({ empty: true });
  const url = new URL(cli.environment.MNEMOSYNC_POSTGRES_URL as string);
  // Nobody listens at the first host.
  const hosts = cli.environment.MNEMOSYNC_POSTGRES_URL?.replace(url.host, `127.0.0.1:1,${url.host}`) as string;
  const environment = { ...cli.environment, MNEMOSYNC_POSTGRES_URL: `${hosts}?target_session_attrs=read-write` };
  const [sentinels, cluster] = await Promise.all([startSentinels(), startCluster()]);
  onTestFinished(async () => void (await Promise.all([sentinels.close(), cluster.close()])));
  expect(await runCommand(["migrate"], environment)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("applied"),
  });
  const ask = async (redisUrl: string): Promise<Record<string, string[]>> => {
    const { stdout } = await runCommand(["doctor", "--json"], { ...environment, MNEMOSYNC_REDIS_URL: redisUrl });
    const { checks } = JSON.parse(stdout) as { checks: { check: string; state: string }[] };
    const named = (name: string) => checks.filter(({ check }) => check === name).map(({ state }) => state);
    return Object.fromEntries(
      ["postgres.schema", "postgres.writable", "redis.writable"].map((name) => [name, named(name)]),
    );
  };
  const own = { "postgres.schema": ["ok"], "postgres.writable": ["ok"] };
  expect(await ask(sentinels.url)).toEqual({ ...own, "redis.writable": ["ok"] });
  expect(await ask(cluster.url)).toEqual({ ...own, "redis.writable": ["ok", "ok"] });
});

test("config shows every value with its source and no secret; what is unknown is refused with the nearest name", async () => {
  const file = settingsFile("settings.yaml", "# as in production\nbatchSize: 250\nfaiss:\n  metric: l2\nnodeId: a\n");
  const environment = {
    MNEMOSYNC_POSTGRES_URL: "postgres://me:tops3cret@db.example:5433/memories?sslmode=require&password=hush",
    MNEMOSYNC_EMBEDDING_API_KEY: "sk-123",
    MNEMOSYNC_NODE_ID: "b",
    MNEMOSYNC_SERVICE_HOST: "10.0.0.1",
    MNEMOSYNC_PORT: "tcp://10.0.0.1:80",
    MNEMOSYNC_CONFIG: file,
  };
  const { code, stdout, stderr } = await runCommand(["config", "--json", "--retries-max", "5"], environment);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const secret of ["tops3cret", "hush", "sk-123"]) expect(stdout).not.toContain(secret);
  const { settings } = JSON.parse(stdout) as { settings: { option: string; value: unknown; source: string }[] };
  const shown = Object.fromEntries(settings.map(({ option, value, source }) => [option, [value, source]]));
  expect(shown).toMatchObject({
    postgresUrl: ["postgres://me:(hidden)@db.example:5433/memories?(hidden)", "environment"],
    redisUrl: [null, "unset"],
    "embedding.apiKey": ["(hidden)", "environment"],
    nodeId: ["b", "environment"],
    batchSize: [250, "file"],
    "faiss.metric": ["l2", "file"],
    "faiss.dimension": [384, "default"],
    retriesMax: [5, "flag"],
    onStoreDown: ["degrade", "default"],
  });
  const refusals: [readonly string[], Record<string, string>, RegExp][] = [
    [["config"], { MNEMOSYNC_POSTGRESS_URL: "x" }, /CONFIGURATION.*did you mean MNEMOSYNC_POSTGRES_URL/],
    [
      ["config", "--config", settingsFile("a.yml", "faiss:\n  metrik: l2\n")],
      {},
      /faiss\.metrik; did you mean faiss\.metric/,
    ],
    [["config", "--config", settingsFile("a.json", '{"batchSize": 1, "batchSize": 2}')], {}, /a\.json: .*unique/],
    [["config", "--config", settingsFile("b.json", '{"batchSize": "many"}')], {}, /batchSize.*many/],
    [["config", "--config", "/nowhere.yaml"], {}, /cannot read the settings in \/nowhere\.yaml/],
    [["config", "--batch-sice", "1"], {}, /USAGE.*--batch-size/],
  ];
  for (const [args, extra, reason] of refusals) {
    expect(await runCommand(args, extra)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(reason) });
  }
});

test("status --watch shows the state again and again until it is stopped", async () => {
  const cli = await openCommandLine();
  await cli.run(["migrate"]);
  const { child, ended } = startProgram(["status", "--watch", "1", "--json"], cli.environment);
  child.stdin.end();
  let lines = 0;
  const twice = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      lines += chunk.toString().split("\n").length - 1;
      if (lines >= 2) resolve();
    });
  });
  await Promise.race([twice, ended]);
  child.kill("SIGINT");
  const { code, stdout } = await ended;
  expect(code).toBe(130);
  const states = stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  expect(states.length).toBeGreaterThanOrEqual(2);
  expect(states[1]).toMatchObject({ at: expect.any(String), stores: { postgres: { state: "healthy", memories: 0 } } });
});
