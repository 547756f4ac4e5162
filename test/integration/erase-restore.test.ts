import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { commandLineOf } from "../support/command-line.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: after a restore from a backup of before, the erasures are repeated from a list of ids that was kept elsewhere. */

vi.setConfig({ testTimeout: 300_000 });

const WORD = "zanzibarite";

async function bodiesWithWord({ sql }: World): Promise<string[]> {
  const rows = await sql<{ memory: string }[]>`
    select namespace || '/' || memory_id || '@' || version as memory from mnemosync.memory_bodies
    where document::text like ${`%${WORD}%`} order by 1`;
  return rows.map(({ memory }) => memory);
}

test("suppressed ids that were printed before a restore repeat the erasures: live, deleted and unknown memories", async (t) => {
  const world = await openWorld(t, { faiss: false, ownRedis: true });
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-erased-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const put = (memoryId: string, fields = {}) =>
    world.put({ memoryId, content: `${memoryId} said ${WORD}`, memoryType: "note", ...fields });
  for (const content of [`first ${WORD}`, `second ${WORD}`]) await put("live", { content });
  await put("ended");
  await world.sync.delete("ended");
  for (const memoryId of ["f1", "f2"]) await put(memoryId, { memoryType: "diary", namespace: "tenant" });
  await put("stays");
  const restore = await rememberLedger(world.sql); // The backup.
  await put("later");
  await world.sync.erase("live");
  await world.sync.erase("ended");
  await world.sync.erase("later");
  await world.sync.erase({ where: { memoryType: { eq: "diary" } } }, { namespace: "tenant" });
  expect(await bodiesWithWord(world)).toEqual(["default/stays@1"]);

  const line = commandLineOf(world);
  const printed = await line.run(["erasures", "--suppressed"]);
  expect([printed.code, printed.stderr.trim()]).toEqual([0, "note: 5 suppressed ids"]);
  const ids = printed.stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  expect(ids.map(({ namespace, memoryId }) => `${namespace}/${memoryId}`)).toEqual([
    ...["default/ended", "default/later", "default/live"],
    ...["tenant/f1", "tenant/f2"],
  ]);
  expect(printed.stdout).not.toContain(WORD);
  const file = join(folder, "suppressed.jsonl");
  await writeFile(file, printed.stdout);
  const first = await world.sync.erasures.suppressed({ limit: 2, namespace: "default" });
  const rest = await world.sync.erasures.suppressed({ cursor: first.cursor ?? "", namespace: "default" });
  expect([...first.memories, ...rest.memories].map(({ memoryId }) => memoryId)).toEqual(["ended", "later", "live"]);
  expect(rest.cursor).toBeNull();

  await world.disconnect();
  await restore();
  for (const table of ["suppressed", "erasures", "erasure_confirmations"])
    await world.sql.unsafe(`delete from mnemosync.${table}`);
  await world.connect();
  expect(await bodiesWithWord(world)).toHaveLength(6);
  const dry = await line.run(["erase", "--ids", file, "--dry-run", "--json"]);
  expect(JSON.parse(dry.stdout)).toEqual({ dryRun: true, named: 5, memories: 4 });
  const erased = await line.run(["erase", "--ids", file, "--reason", "repeated after the restore", "--json"]);
  expect(JSON.parse(erased.stdout).erasures).toMatchObject([
    { namespace: "default", kind: "filter", memories: 3, erased: 3 },
    { namespace: "tenant", memories: 2, erased: 2 },
  ]);
  expect(await bodiesWithWord(world)).toEqual(["default/stays@1"]);
  for (const memoryId of ["live", "ended", "later"])
    await expect(put(memoryId)).rejects.toMatchObject({ code: "ERASED" });
  await expect(put("f1", { namespace: "tenant" })).rejects.toMatchObject({ code: "ERASED" });
  expect(await world.sync.get("stays")).toMatchObject({ version: 1 });
});

test("a file that names no memories erases nothing, and says which line is wrong", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-erased-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await world.put(world.memory(1));
  const line = commandLineOf(world);
  const file = join(folder, "ids.jsonl");
  const good = '{"namespace":"default","memoryId":"m1"}';
  for (const [bad, message] of [
    ["m2", /line 2 of .* is not JSON/],
    ['{"memoryId":"m2"}', /line 2 of .* names no memory/],
  ] as const) {
    await writeFile(file, `${good}\n${bad}\n`);
    const refused = await line.run(["erase", "--ids", file]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(message)]);
  }
  for (const args of [
    ["--ids", join(folder, "none")],
    ["m1", "--ids", file],
    ["--ids", file, "--namespace", "default"],
  ]) {
    expect((await line.run(["erase", ...args])).code).toBe(2);
  }
  const missing = await line.run(["erase", "--ids", join(folder, "none")]);
  expect(missing.stderr).toContain(`cannot read ${join(folder, "none")}: ENOENT: no such file or directory`);
  expect(missing.stderr).not.toContain(", open");
  expect(await world.sync.get("m1")).not.toBeNull();
});
