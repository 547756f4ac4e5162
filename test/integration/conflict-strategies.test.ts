import { afterEach, describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { CheckScope, ConflictStrategy, RepairOptions } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { type LedgerRow, otherContent, putHashes, readHashes, readKept, readRows } from "../support/raw-stores.ts";
import { openWorld, sharedWorld, type World } from "../support/world.ts";

/**
 * Goal: who decides a conflict, decides it as told, and nobody loses anything by it. Method: the ledger and Redis each
 * change a memory on the base of the same version, behind each other's back; each strategy is given the same conflicts.
 */
const shared = sharedWorld({ settings: { strategyTimeoutMs: 200 } });

type Kind = "ahead" | "diverged";

interface Sides {
  readonly memoryId: string;
  readonly ours: LedgerRow;
  readonly theirs: LedgerRow;
}

let made = 0;
const bytesOf = (vector: Float32Array): Buffer => Buffer.from(new Uint8Array(vector.buffer));

/** The ledger raised the importance; Redis, on the same base, said it in other words, an hour earlier or later. */
async function conflict(
  world: World,
  kind: Kind,
  options: { laterMs?: number; vector?: (nodeId: string) => Record<string, number> } = {},
): Promise<Sides> {
  const { laterMs = 3_600_000, vector = (nodeId) => ({ [nodeId]: 1, elsewhere: 1 }) } = options;
  const number = made++;
  const memoryId = `conflict-${number}`;
  const input = { ...world.memory(number), memoryId };
  await world.put(input);
  const [base] = await readRows(world, [memoryId]);
  await world.put({ ...input, importance: 0.9 });
  const [ours] = (await readRows(world, [memoryId])) as [LedgerRow];
  const said = otherContent(base as LedgerRow, `Redis says ${number}`, bytesOf(unitVector(number + 9_000, 8)));
  const theirs: LedgerRow = {
    ...said,
    memoryId,
    version: kind === "ahead" ? 7 : ours.version,
    vector: JSON.stringify(vector(world.sync.nodeId)),
    modifiedAt: ours.modifiedAt + laterMs,
  };
  await putHashes(world, [theirs]);
  return { memoryId, ours, theirs };
}

/** Checks and repairs what was made. */
async function repair(world: World, options: RepairOptions & { scope?: CheckScope }) {
  const report = await world.sync.checkConsistency({ scope: options.scope ?? "full" });
  return { report, repair: await world.sync.repairInconsistencies(report, options) };
}

/** The newest record of a memory's conflict. */
async function lastRecord(world: World, memoryId: string) {
  const [record] = await world.sql`
    select *, ledger_document::text as ledger_text from mnemosync.conflict_resolutions
    where memory_id = ${memoryId} order by id desc limit 1`;
  return record as NonNullable<typeof record>;
}

/** That both sides stand in the memory's record, byte by byte. */
async function expectBothKept(world: World, { memoryId, ours, theirs }: Sides): Promise<void> {
  const record = await lastRecord(world, memoryId);
  expect(record.found_document.toString()).toBe(theirs.document);
  expect(record.found_embedding).toEqual(theirs.embedding);
  expect(record).toMatchObject({ found_checksum: theirs.checksum, ledger_checksum: ours.checksum });
  expect(record.ledger_text).toBe(ours.document);
  expect(record.ledger_embedding).toEqual(ours.embedding);
}

/** Once the marks of the last writes have come: `publishing` is told for some milliseconds after an answer. */
async function statusOf(world: World, memoryId: string): Promise<string | undefined> {
  let status: string | undefined;
  await pollUntil("the marks", 30_000, async () => {
    const [row] = await world.sql`select status from mnemosync.v_memory_sync_status where memory_id = ${memoryId}`;
    status = row?.status;
    return status !== "publishing";
  });
  return status;
}

/** What the three stores hold of it, by hand. */
async function held(world: World, memoryId: string): Promise<unknown> {
  return { row: await readRows(world, [memoryId]), hash: await readHashes(world, [memoryId]) };
}

/** Whatever a test left behind is none of the next one's business. */
afterEach(async () => {
  await repair(shared.current, { strategy: "prefer_store" });
  await shared.current.sync.repairInconsistencies({ findings: [] });
  expect(await shared.current.sync.conflicts.list()).toEqual([]);
});

const words = (row: LedgerRow): string => JSON.parse(row.document as string).content;

interface Expected {
  readonly name: string;
  readonly strategy: string;
  readonly wins: "ledger" | "redis" | "both";
  readonly options?: Parameters<typeof conflict>[2];
}

const EXPECTED: readonly Expected[] = [
  { name: "latest_wins, Redis later", strategy: "latest_wins", wins: "redis" },
  { name: "latest_wins, the ledger later", strategy: "latest_wins", wins: "ledger", options: { laterMs: -3_600_000 } },
  { name: "merge", strategy: "merge", wins: "both" },
  { name: "merge, the ledger later", strategy: "merge", wins: "both", options: { laterMs: -3_600_000 } },
  {
    name: "version_vector, Redis knew the ledger's version",
    strategy: "version_vector",
    wins: "redis",
    options: { laterMs: -3_600_000, vector: (nodeId) => ({ [nodeId]: 2, elsewhere: 1 }) },
  },
  {
    name: "version_vector, the ledger came after",
    strategy: "version_vector",
    wins: "ledger",
    options: { vector: (nodeId) => ({ [nodeId]: 1 }) },
  },
  { name: "version_vector, neither knew the other", strategy: "version_vector", wins: "redis" },
  { name: "prefer_store", strategy: "prefer_store", wins: "ledger" },
];

describe.each([
  ["ahead", "full"],
  ["diverged", "full"],
  // Reading the data too must come to the same.
  ["ahead", "deep"],
  ["diverged", "deep"],
] as const)("a copy that is %s, seen by a %s check", (kind, scope) => {
  test.each(EXPECTED)("is decided by $name", async ({ strategy, wins, options }) => {
    const world = shared.current;
    const sides = await conflict(world, kind, options);
    const { memoryId, ours, theirs } = sides;
    const { report, repair: done } = await repair(world, { strategy, scope });
    expect(report.findings).toMatchObject([{ memoryId, store: "redis", kind, foundVersion: theirs.version }]);
    expect(done.details).toMatchObject([{ memoryId, outcome: "repaired", strategy }]);

    const [row] = (await readRows(world, [memoryId])) as [LedgerRow];
    if (wins === "ledger") expect(row).toEqual(ours);
    if (wins === "redis") {
      const { document, embedding, checksum, modifiedAt } = theirs;
      expect(row).toMatchObject({ version: 3, document, checksum, modifiedAt });
      expect(row.embedding).toEqual(embedding);
    }
    if (wins === "both") {
      expect(JSON.parse(row.document as string)).toMatchObject({ content: words(theirs), importance: 0.9 });
      expect(row.version).toBe(3);
      // The vector of the side whose words won.
      expect(row.embedding).toEqual(theirs.embedding);
    }
    // What won comes after both.
    const vector = JSON.parse(row.vector);
    if (wins !== "ledger") expect(vector).toMatchObject({ elsewhere: 1, [world.sync.nodeId]: 3 });
    const [hash] = await readHashes(world, [memoryId]);
    expect({ version: String(hash?.version), data: String(hash?.data) }).toEqual({
      version: String(row.version),
      data: row.document,
    });
    expect(await world.sync.get(memoryId)).toMatchObject({ version: row.version, content: words(row) });
    const [hit] = await world.sync.search(new Float32Array(new Uint8Array(row.embedding as Buffer).buffer), { k: 1 });
    expect(hit?.memory.memoryId).toBe(memoryId);

    await expectBothKept(world, sides);
    expect(await lastRecord(world, memoryId)).toMatchObject({ state: "resolved", strategy });
    expect(await statusOf(world, memoryId)).toBe("synced");
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    expect(await world.sync.conflicts.list()).toEqual([]);
  });
});

describe("a strategy that breaks its word leaves the conflict to somebody, with the reason", () => {
  const BROKEN: readonly [string, ConflictStrategy["resolve"], RegExp][] = [
    [
      "throws",
      () => {
        throw new Error("no idea");
      },
      /broken failed: no idea/,
    ],
    ["rejects", async () => Promise.reject(new Error("out of reach")), /broken failed: out of reach/],
    ["never answers", () => new Promise(() => undefined), /broken did not answer within 200 ms/],
    ["answers nothing", () => undefined as never, /broken failed.*answered nothing/],
    ["answers nonsense", () => ({ action: "flip a coin" }) as never, /broken failed.*"flip a coin"/],
    ["chooses who is no side", () => ({ action: "choose", store: "faiss" }), /broken failed.*candidates are of/],
    ["removes what the ledger knows", () => ({ action: "remove" }), /broken failed.*"remove"/],
    [
      "writes what is no memory",
      ({ candidates }) => ({
        action: "write",
        document: { ...candidates[0]!.document!, content: "a\u0000b" },
        embedding: null,
      }),
      /broken failed.*content/,
    ],
  ];

  test.each(BROKEN)("one that %s", async (_, resolve, reason) => {
    const world = shared.current;
    const sides = await conflict(world, "ahead");
    const { memoryId } = sides;
    const before = await held(world, memoryId);
    const { repair: done } = await repair(world, { strategy: { name: "broken", resolve } });
    expect(done).toMatchObject({ repaired: 0, failed: 0, deferred: 1, results: { [memoryId]: false } });
    expect(done.details[0]?.note).toMatch(reason);
    expect(await held(world, memoryId)).toEqual(before);
    const [waiting, ...others] = await world.sync.conflicts.list();
    expect(others).toEqual([]);
    expect(waiting).toMatchObject({ memoryId, kind: "ahead", state: "pending", strategy: "broken" });
    expect(waiting?.pendingBecause).toMatch(reason);
    await expectBothKept(world, sides);
    expect(await statusOf(world, memoryId)).toBe("conflict");
    // Asked again, it is the same conflict, and who can decide it ends it.
    await repair(world, { strategy: "manual" });
    expect((await world.sync.conflicts.list()).map(({ id }) => id)).toEqual([waiting?.id]);
    expect((await repair(world, { strategy: "latest_wins" })).repair).toMatchObject({ repaired: 1 });
    expect(await world.sync.conflicts.list()).toEqual([]);
    expect(await lastRecord(world, memoryId)).toMatchObject({
      id: waiting?.id,
      state: "resolved",
      strategy: "latest_wins",
    });
    expect(await statusOf(world, memoryId)).toBe("synced");
  });

  test("one that nobody registered is refused before anything is touched", async () => {
    const world = shared.current;
    await expect(repair(world, { strategy: "latest_win" })).rejects.toThrow(/did you mean latest_wins/);
  });

  test("one whose conflicts are not all hard decides the others", async () => {
    const world = shared.current;
    const hard = await conflict(world, "diverged");
    const easy = await conflict(world, "diverged");
    const strategy: ConflictStrategy = {
      name: "picky",
      resolve: ({ memoryId }) => {
        if (memoryId === hard.memoryId) throw new Error("too hard");
        return { action: "choose", store: "redis" };
      },
    };
    const { repair: done } = await repair(world, { strategy });
    expect(done.results).toEqual({ [hard.memoryId]: false, [easy.memoryId]: true });
    expect((await readRows(world, [easy.memoryId]))[0]).toMatchObject({ version: 3, checksum: easy.theirs.checksum });
    await repair(world, { strategy: "prefer_store" });
  });
});

describe("a person", () => {
  /** Leaves a conflict to be decided by hand. @returns its id. */
  async function waiting(world: World, { memoryId }: Pick<Sides, "memoryId">): Promise<string> {
    const { repair: done } = await repair(world, { strategy: "manual" });
    expect(done).toMatchObject({ repaired: 0, deferred: 1 });
    const listed = await world.sync.conflicts.list({ memoryId });
    expect(listed).toHaveLength(1);
    expect(await statusOf(world, memoryId).catch(() => null)).not.toBe("synced");
    return listed[0]?.id as string;
  }

  test("is shown both sides and how they differ", async () => {
    const world = shared.current;
    const { memoryId, ours, theirs } = await conflict(world, "ahead");
    const id = await waiting(world, { memoryId });
    const shown = await world.sync.conflicts.show(id);
    expect(shown).toMatchObject({ id, memoryId, kind: "ahead", store: "redis", state: "pending", strategy: "manual" });
    for (const [side, row] of [
      [shown.ledger, ours],
      [shown.found, theirs],
    ] as const) {
      const { version, checksum, modifiedAt } = row;
      expect(side).toMatchObject({ version, checksum, modifiedAt, document: JSON.parse(row.document as string) });
      expect(bytesOf(side.embedding as Float32Array)).toEqual(row.embedding);
      expect(side.versionVector).toEqual(JSON.parse(row.vector));
    }
    expect(shown.differences?.fields.map(({ path }) => path).sort()).toEqual(["/content", "/importance"]);
    await expect(world.sync.conflicts.resolve(id, { choose: "faiss" })).rejects.toThrow(/no side of it/);
    await expect(world.sync.conflicts.resolve(id, { remove: true })).rejects.toThrow(/choose a side/);
    await expect(world.sync.conflicts.resolve("999999", { remove: true })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await world.sync.conflicts.resolve(id, { choose: "postgres" })).toMatchObject({ outcome: "repaired" });
    await expect(world.sync.conflicts.resolve(id, { choose: "redis" })).rejects.toThrow(/resolved already/);
  });

  test.each(["postgres", "redis"] as const)("decides for %s", async (store) => {
    const world = shared.current;
    const sides = await conflict(world, "diverged");
    const id = await waiting(world, sides);
    expect(await world.sync.conflicts.resolve(id, { choose: store })).toMatchObject({
      memoryId: sides.memoryId,
      outcome: "repaired",
      strategy: "manual",
    });
    const [row] = (await readRows(world, [sides.memoryId])) as [LedgerRow];
    expect(row.checksum).toBe(store === "redis" ? sides.theirs.checksum : sides.ours.checksum);
    expect(await lastRecord(world, sides.memoryId)).toMatchObject({ id, state: "resolved", strategy: "manual" });
    await expectBothKept(world, sides);
    expect(await statusOf(world, sides.memoryId)).toBe("synced");
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("decides for a content of their own", async () => {
    const world = shared.current;
    const sides = await conflict(world, "ahead");
    const id = await waiting(world, sides);
    const content = { content: "what it should have been", memoryType: "episodic", embedding: unitVector(77, 8) };
    await expect(world.sync.conflicts.resolve(id, { ...content, embedding: [1, 2] })).rejects.toThrow(/embedding/);
    expect(await world.sync.conflicts.resolve(id, content)).toMatchObject({ outcome: "repaired" });
    expect(await world.sync.get(sides.memoryId)).toMatchObject({ content: content.content, version: 3 });
    await expectBothKept(world, sides);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test.each([["removes"], ["takes in"]])("%s what the ledger does not know", async (what) => {
    const world = shared.current;
    const { theirs } = await conflict(world, "diverged");
    const memoryId = `orphan-${what.replace(" ", "-")}`;
    await putHashes(world, [{ ...theirs, memoryId }]);
    await repair(world, { strategy: "prefer_store", kinds: ["diverged"] });
    const id = await waiting(world, { memoryId });
    await expect(world.sync.conflicts.resolve(id, { choose: "postgres" })).rejects.toThrow(/no side of it: redis/);
    const decision = what === "removes" ? ({ remove: true } as const) : ({ choose: "redis" } as const);
    expect(await world.sync.conflicts.resolve(id, decision)).toMatchObject({ outcome: "repaired" });
    const [hash] = await readHashes(world, [memoryId]);
    if (what === "removes") expect(hash).toEqual({});
    else expect(await world.sync.get(memoryId)).toMatchObject({ version: 1, content: words(theirs) });
    const record = await lastRecord(world, memoryId);
    expect(record.found_document.toString()).toBe(theirs.document);
    expect(record.found_embedding).toEqual(theirs.embedding);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test.each([
    ["the ledger was written", "ledger"],
    ["Redis holds another version", "version"],
    ["Redis holds another content of the same version", "content"],
    ["Redis lost it", "lost"],
  ])("who decides after %s overwrites nothing", async (_, what) => {
    const world = shared.current;
    const sides = await conflict(world, "ahead");
    const { memoryId, theirs } = sides;
    const id = await waiting(world, sides);
    const other = otherContent(theirs, "a third one", theirs.embedding);
    if (what === "ledger") await world.put({ ...world.memory(1), memoryId, content: "written meanwhile" });
    if (what === "version") await putHashes(world, [{ ...theirs, ...other, version: 9 }]);
    if (what === "content") await putHashes(world, [{ ...theirs, ...other }]);
    if (what === "lost") await world.redis.del(world.redisKey(memoryId));
    const before = await held(world, memoryId);
    const verdict = await world.sync.conflicts.resolve(id, { choose: "redis" });
    expect(verdict).toMatchObject({ outcome: "deferred" });
    expect(await held(world, memoryId)).toEqual(before);
    // Both sides that were shown can be read still; what is to be done now is found by the next check.
    const shown = await world.sync.conflicts.show(id);
    expect([shown.ledger.checksum, shown.found.checksum]).toEqual([sides.ours.checksum, theirs.checksum]);
    await world.sync.backlog.drain(); // A write below what Redis holds is the backlog's, and no drift until then.
    await repair(world, { strategy: "prefer_store" });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    await world.sync.repairInconsistencies({ findings: [] });
    expect(await world.sync.conflicts.list()).toEqual([]);
  });
});

test("of a memory that differs in the index as well, the vector that loses is kept too", async (t) => {
  const world = await openWorld(t, { clients: "own" });
  const sides = await conflict(world, "diverged");
  const key = { namespace: "default", memoryId: sides.memoryId };
  const soon = AbortSignal.timeout(60_000);
  const [found] = await world.index.read([key], { data: false }, soon);
  const stray = unitVector(12_345, 8);
  const change = {
    ...{
      kind: "put" as const,
      ...key,
      version: 30,
      checksum: "5".repeat(64),
      digest: "0".repeat(16),
      versionVector: {},
    },
    ...{ modifiedAt: 1, documentJson: "{}", embedding: stray, embeddingModel: null, expiresAt: null },
  };
  expect(await world.index.replace([{ key, found: found ?? null, change }], soon)).toEqual(["applied"]);
  const { report, repair: done } = await repair(world, { strategy: "latest_wins" });
  expect(report.findings.map(({ store, kind }) => `${store} ${kind}`).sort()).toEqual([
    "faiss ahead",
    "redis diverged",
  ]);
  expect(done).toMatchObject({ repaired: 2, failed: 0, deferred: 0 });
  const kept = await readKept(world, "0");
  expect(kept.map(({ store, state }) => `${store} ${state}`).sort()).toEqual(["faiss resolved", "redis resolved"]);
  const vector = kept.find(({ store }) => store === "faiss")?.found.embedding;
  expect(new Float32Array(new Uint8Array(vector as Buffer).buffer)).toEqual(stray);
  expect((await readRows(world, [sides.memoryId]))[0]).toMatchObject({ version: 3, checksum: sides.theirs.checksum });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});
