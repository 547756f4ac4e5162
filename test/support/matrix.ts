import { expect } from "vitest";
import type { ConsistencyReport, RepairReport } from "../../src/index.ts";
import { closedIndex } from "./closed-index.ts";
import type { Injected, Injection } from "./injections.ts";
import { unitVector } from "./memories.ts";
import {
  checksumByHand,
  type KeptRow,
  type LedgerRow,
  lastKept,
  readHashes,
  readKept,
  readRows,
} from "./raw-stores.ts";
import { SnapshotEditor, unit } from "./snapshot-editor.ts";
import type { World } from "./world.ts";

/** Memories of the world among which something is injected. */
export const WORLD_SIZE = 20_000;

/**
 * Sizes that `MNEMOSYNC_MATRIX_SIZES` asks for, e.g. `1,100,5000`: then every injection is made alone, at each of them
 * (`npm run matrix`). Null without it: the shorter programme of `npm run test:deep`.
 */
export const MATRIX_SIZES: readonly number[] | null =
  process.env.MNEMOSYNC_MATRIX_SIZES?.split(",").map((size) => Number.parseInt(size, 10)) ?? null;

/** An injection that was made. */
export interface Case {
  readonly injection: Injection;
  readonly memoryIds: readonly string[];
  readonly injected: readonly Injected[];
  readonly before: ReadonlyMap<string, LedgerRow>;
}

interface Timing {
  readonly what: string;
  readonly size: number;
  readonly checkMs: number;
  readonly repairMs: number;
}

/** Proves injections on one world of `WORLD_SIZE` memories, each time on the next ones of them. */
export class Matrix {
  readonly #world: World;
  readonly #size: number;
  #next = 0;
  #made = 0;
  readonly #timings: Timing[] = [];

  /** @param size how many memories `m0`, `m1` … the world holds. */
  constructor(world: World, size = WORLD_SIZE) {
    this.#world = world;
    this.#size = size;
  }

  /** Writes the memories among which everything happens. */
  static async fill(world: World): Promise<void> {
    await world.fill(WORLD_SIZE);
  }

  /**
   * Makes each injection on `size` memories, all at once; finds them exactly; repairs them; looks at the stores by hand;
   * and checks again.
   */
  async prove(injections: readonly Injection[], size: number): Promise<void> {
    const world = this.#world;
    const cases = await this.inject(injections, size);
    const total = cases.length * size;
    const scope = injections.some((injection) => injection.scope === "deep") ? "deep" : "full";
    if (scope === "deep" && injections.every((injection) => injection.scope === "deep")) {
      expect((await world.sync.checkConsistency({ scope: "full" })).findings, "versions alone cannot tell").toEqual([]);
    }
    const before = await lastKept(world);
    const [report, checkMs] = await timed(() => world.sync.checkConsistency({ scope }));
    expectFindings(report, cases);
    const [repair, repairMs] = await timed(() => world.sync.repairInconsistencies(report));
    expectRepaired(repair, cases, total);
    expectKept(await readKept(world, before), cases);
    await this.expectStores(cases);
    const again = await world.sync.checkConsistency({ scope: "full" });
    expect(again, "after the repair").toMatchObject({ clean: true, findings: [] });
    const what = injections.length === 1 ? caseName(injections[0] as Injection) : `${injections.length} kinds at once`;
    this.#timings.push({ what, size, checkMs, repairMs });
  }

  /** Reads everything again, in all stores, and the files of the index by hand. */
  async proveClean(): Promise<void> {
    const world = this.#world;
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report).toMatchObject({ clean: true, findings: [], truncated: false });
    const [counts] = await world.sql`
      select (select count(*) from mnemosync.memory_versions where deleted_at is null)::int as live,
             (select count(*) from mnemosync.conflict_resolutions where state <> 'resolved')::int as open`;
    expect(report.checked).toBe(counts?.live);
    expect(counts?.open, "records of repairs that did not come to their end").toBe(0);
    await world.disconnect();
    const held = new SnapshotEditor(world.directory).entries();
    const rows = await readRows(world, [...held.keys()]);
    expect(held.size).toBe(counts?.live);
    for (const { memoryId, version, checksum, embedding } of rows) {
      const entry = held.get(memoryId);
      const same = entry?.slot.version === version && entry.slot.checksum === checksum;
      if (!same || !entry.row.equals(unit(embedding as Buffer))) expect.fail(`the index holds another ${memoryId}`);
    }
  }

  /** What it took, for people. */
  table(): string {
    const lines = this.#timings.map(({ what, size, checkMs, repairMs }) => {
      const numbers = [size, checkMs, repairMs].map((number) => String(Math.round(number)).padStart(8));
      return `${what.padEnd(64)}${numbers.join("")}`;
    });
    return [`${"".padEnd(64)}    size   check  repair (ms)`, ...lines, ""].join("\n");
  }

  /**
   * Makes each injection on `size` memories of its own.
   * @param reopen false: after an injection into the index the synchronizer stays closed.
   */
  async inject(injections: readonly Injection[], size: number, reopen = true): Promise<Case[]> {
    const world = this.#world;
    const chosen: { injection: Injection; memoryIds: string[]; rows: LedgerRow[] }[] = [];
    for (const injection of injections) {
      const memoryIds = await this.#choose(injection, size);
      const rows = injection.on === "unknown" ? memoryIds.map(unknownRow) : await readRows(world, memoryIds);
      chosen.push({ injection, memoryIds, rows });
    }
    const editor = injections.some(({ store }) => store === "faiss") ? await closedIndex(world) : null;
    const cases: Case[] = [];
    for (const { injection, memoryIds, rows } of chosen) {
      const injected = await injection.inject(world, rows, editor);
      const before = new Map(injection.on === "unknown" ? [] : rows.map((row) => [row.memoryId, row]));
      cases.push({ injection, memoryIds, injected, before });
    }
    if (editor !== null) {
      editor.save();
      if (reopen) await world.connect();
    }
    return cases;
  }

  async #choose({ on }: Injection, size: number): Promise<string[]> {
    const { sync, dimension } = this.#world;
    if (on === "unknown" || on === "deleted") {
      const memoryIds = Array.from({ length: size }, () => `${on}-${this.#made++}`);
      if (on === "deleted") {
        const inputs = memoryIds.map((memoryId, at) => ({ ...this.#world.memory(at), memoryId }));
        await sync.syncBatch(inputs);
        await Promise.all(memoryIds.map((memoryId) => sync.delete(memoryId)));
      }
      return memoryIds;
    }
    const numbers = Array.from({ length: size }, () => this.#next++ % this.#size);
    if (on === "rewritten") {
      await sync.syncBatch(
        numbers.map((number) =>
          this.#world.memory(number, {
            content: `rewritten ${this.#made++}`,
            embedding: unitVector(number + 500_000 + this.#made, dimension),
          }),
        ),
      );
    }
    return numbers.map((number) => `m${number}`);
  }

  /** That the ledger and Redis hold what they have to after a repair, read by hand. */
  async expectStores(cases: readonly Case[]): Promise<void> {
    for (const { injection, injected, before } of cases) {
      const shown = injected.filter(({ after }) => after !== null);
      const gone = injected.filter(({ after }) => after === null);
      const ids = shown.map(({ memoryId }) => memoryId);
      const rows = await readRows(this.#world, ids);
      const hashes = await readHashes(this.#world, ids);
      for (const [at, { memoryId, after }] of shown.entries()) {
        const was = before.get(memoryId);
        const wanted = after == null ? was : { ...after.content, version: after.version };
        expectRow(rows[at] as LedgerRow, wanted as LedgerRow, `${caseName(injection)}: ${memoryId}`);
        expectHash(hashes[at] as Record<string, Buffer>, rows[at] as LedgerRow);
      }
      for (const hash of await readHashes(
        this.#world,
        gone.map(({ memoryId }) => memoryId),
      )) {
        expect(hash).toEqual({});
      }
    }
  }
}

function unknownRow(memoryId: string): LedgerRow {
  const embedding = Buffer.from(new Uint8Array(unitVector(memoryId.length * 31, 8).buffer));
  const document = `{"content":"never written: ${memoryId}","importance":0.25,"memoryType":"note","metadata":{"by":"hand"},"privacy":"full"}`;
  const modifiedAt = 1_700_000_000_000;
  const checksum = checksumByHand(document, embedding);
  return { memoryId, version: 1, checksum, document, embedding, vector: '{"elsewhere":1}', modifiedAt };
}

function expectFindings(report: ConsistencyReport, cases: readonly Case[]): void {
  const wanted = cases.flatMap(({ injection: { store, kind }, injected, before }) =>
    injected.map(({ memoryId, foundVersion }) => {
      const expectedVersion = before.get(memoryId)?.version ?? null;
      return { namespace: "default", memoryId, store, kind, expectedVersion, foundVersion };
    }),
  );
  const listed = report.findings.map(({ evidence, ...finding }) => {
    expect(evidence).toMatch(/\S/);
    return finding;
  });
  expect(listed.toSorted(byMemory)).toEqual(wanted.toSorted(byMemory));
  expect(report).toMatchObject({ clean: false, truncated: false });
}

function expectRepaired(repair: RepairReport, cases: readonly Case[], total: number): void {
  const { repaired, failed, deferred, planned, details } = repair;
  const open = details.filter(({ outcome }) => outcome !== "repaired").slice(0, 3);
  expect({ repaired, failed, deferred, planned, open }).toEqual({
    repaired: total,
    failed: 0,
    deferred: 0,
    planned: 0,
    open: [],
  });
  const deciders = new Map(cases.flatMap(({ injection, memoryIds }) => memoryIds.map((id) => [id, injection])));
  // A content that is no memory leaves nothing for a strategy to decide.
  for (const { memoryId, strategy } of details) {
    const injection = deciders.get(memoryId) as Injection;
    if (strategy !== injection.decidedBy) expect.fail(`${caseName(injection)} was decided by ${strategy}`);
  }
}

function expectKept(kept: readonly KeptRow[], cases: readonly Case[]): void {
  const byId = new Map(kept.map((row) => [row.memoryId, row]));
  expect(kept).toHaveLength(cases.reduce((sum, { injected }) => sum + injected.length, 0));
  for (const { injection, injected } of cases) {
    const { store, kind, decidedBy } = injection;
    for (const { memoryId, lost } of injected) {
      const row = byId.get(memoryId);
      expect(row).toMatchObject({ store, kind, state: "resolved", strategy: decidedBy ?? "ledger_wins" });
      if (lost === null || row === undefined) continue;
      const { document, embedding } = row[lost.side];
      const same = sameBytes(document, lost.document) && sameBytes(embedding, lost.embedding);
      if (!same) expect.fail(`${caseName(injection)}: what was lost of ${memoryId} cannot be read any more`);
    }
  }
}

function expectRow(row: LedgerRow, wanted: LedgerRow, what: string): void {
  const { version, checksum, document } = row;
  expect({ version, checksum, document }, what).toEqual({
    version: wanted.version,
    checksum: wanted.checksum,
    document: wanted.document,
  });
  expect(sameBytes(row.embedding, wanted.embedding), what).toBe(true);
}

/** That Redis holds what the ledger says, field by field. */
function expectHash(hash: Record<string, Buffer>, row: LedgerRow): void {
  const { version, checksum, document, embedding } = row;
  expect(String(hash.version)).toBe(String(version));
  if (checksum === null) {
    expect(hash).toHaveProperty("deleted");
    return;
  }
  expect(String(hash.checksum)).toBe(checksum);
  expect(sameBytes(hash.data ?? null, document) && sameBytes(hash.embedding ?? null, embedding)).toBe(true);
}

function sameBytes(a: string | Buffer | null, b: string | Buffer | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.from(a as string).equals(Buffer.from(b as string));
}

function byMemory(a: { memoryId: string }, b: { memoryId: string }): number {
  return a.memoryId < b.memoryId ? -1 : 1;
}

export function caseName({ store, kind, what }: Injection): string {
  return `${store} ${kind}: ${what}`;
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const begunAt = performance.now();
  return [await work(), performance.now() - begunAt];
}
