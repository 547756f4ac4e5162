import { expect, test, vi } from "vitest";
import { ErasureLedger } from "../../src/ledger/erasure-ledger.ts";
import { ERASED_TEXT } from "../../src/ledger/scrub-statements.ts";
import { newUlid } from "../../src/runtime/ulid.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: the erasures of one tenant take nothing from the others: no room for jobs, no evidence, no time. */

vi.setConfig({ testTimeout: 240_000 });

const world = sharedWorld({ ownRedis: true });

test("an owner of many namespaces has at most 100 erasures that are not through, and others are not held up", async () => {
  const { sql, sync } = world.current;
  await sql`
    insert into mnemosync.erasures (id, kind, namespace, memory_id, owner, node_id)
    select lpad(n::text, 26, '0'), 'memory', 'wide-' || n % 10, 'm' || n, 'key/wide', 'elsewhere' from generate_series(1, 100) n`;
  const another = { namespace: "wide-11", wait: false } as const;
  await expect(sync.erase("m1", { ...another, owner: "key/wide" })).rejects.toMatchObject({
    code: "QUEUE_FULL",
    message: expect.stringMatching(/^the owner of this key has 100 erasures/),
  });
  await sync.erase("m1", { ...another, owner: "key/narrow" });
  await sync.erase("m2", another);
  await sql`delete from mnemosync.erasures where owner = 'key/wide'`;
  expect(await sync.erase("m3", { namespace: "wide-11", owner: "key/wide" })).toMatchObject({ erased: 1 });
});

test("a list of receipts is one statement, however many there are", async () => {
  const { sync } = world.current;
  for (const id of ["r1", "r2", "r3"]) await sync.erase(id, { namespace: "receipts" });
  const readReceipts = vi.spyOn(ErasureLedger.prototype, "readReceipts");
  const receipts = await sync.erasures.list({ namespaces: ["receipts"] });
  expect(readReceipts).toHaveBeenCalledTimes(1);
  expect(receipts).toHaveLength(3);
  for (const receipt of receipts) {
    expect(receipt).toEqual(await sync.erasures.get(receipt.id));
    expect(receipt).toMatchObject({ state: "complete", awaiting: [] });
    expect(receipt.stores.map(({ store }) => store)).toEqual(["faiss", "redis"]);
  }
});

test("failed jobs keep their errors whoever erases, without what these quote, and results lose the erased memories alone", async () => {
  const { sync, sql } = world.current;
  await sync.syncMemory("quoted", { content: "a secret", memoryType: "episodic", namespace: "jobs" });
  const finding = (namespace: string, memoryId: string) => ({ namespace, memoryId, evidence: `of ${memoryId}` });
  const ids = [newUlid(), newUlid(), newUlid()];
  const results = [[finding("jobs", "quoted"), finding("jobs", "kept")], [finding("elsewhere", "quoted")]];
  for (const [at, findings] of results.entries()) {
    const quoted = at === 0 ? "{jobs}" : "{elsewhere}";
    await sql`insert into mnemosync.jobs (id, kind, state, input, resumable, result, quoted_namespaces, ended_at)
      values (${ids[at] ?? ""}, 'check', 'done', '{}', false, ${JSON.stringify({ findings })}::text::json, ${quoted}::text::text[], clock_timestamp())`;
  }
  const error = { code: "STORE_UNAVAILABLE", message: "store redis is away" };
  await sql`insert into mnemosync.jobs (id, kind, state, input, resumable, error, quoted_namespaces, ended_at)
    values (${ids[2] ?? ""}, 'fill', 'failed', '{}', false, ${JSON.stringify(error)}::text::json, '{}', clock_timestamp())`;
  const readJobTexts = vi.spyOn(ErasureLedger.prototype, "readJobTexts");
  await sync.erase("quoted", { namespace: "jobs" });
  expect(await sync.jobs.get(ids[0] ?? "")).toMatchObject({
    result: { findings: [{ evidence: ERASED_TEXT }, { evidence: "of kept" }] },
  });
  expect(await sync.jobs.get(ids[1] ?? "")).toMatchObject({ result: { findings: [{ evidence: "of quoted" }] } });
  expect(await sync.jobs.get(ids[2] ?? "")).toMatchObject({ error });
  const read = await Promise.all(readJobTexts.mock.results.map(({ value }) => value as Promise<{ id: string } | null>));
  expect(read.map((job) => job?.id)).not.toContain(ids[1]);
});
