import { describe, expect, test } from "vitest";
import { type SlotDigest, type SlotEntry, SlotTable } from "../../../src/stores/faiss/host/slot-table.ts";
import { TombstoneTable } from "../../../src/stores/faiss/host/tombstone-table.ts";

const checksum = (version: number): Buffer => Buffer.alloc(32, version);

function append(table: SlotTable, memoryId: string, version = 1): number {
  const bytes = Buffer.from(`<${memoryId}>`, "utf8");
  return table.append(bytes, 1, bytes.byteLength - 1, version, checksum(version));
}

const digestOf = ({ version }: SlotEntry): SlotDigest => ({ bucket: version, high: 0xffff_fff0, low: version + 1 });

describe("SlotTable", () => {
  test("assigns slots in order and finds them by memory, across growth", () => {
    const table = new SlotTable();
    for (let index = 0; index < 1_000; index++) expect(append(table, `m${index}`, index + 1)).toBe(index);
    expect(table.length).toBe(1_000);
    for (let index = 0; index < 1_000; index++) expect(table.slotOf(`m${index}`)).toBe(index);
    const entry = { memoryId: "m777", version: 778, checksum: checksum(778).toString("hex") };
    expect(table.entryAt(777)).toEqual(entry);
    for (const id of ["unknown", "", "m", "m7770"]) expect(table.slotOf(id)).toBeUndefined();
  });

  test("distinguishes ids by their bytes, at any length and in any alphabet", () => {
    const table = new SlotTable();
    const ids = ["a", "ä", "日本", "🙂", "a b", "x".repeat(512), "A"];
    for (const [at, id] of ids.entries()) expect(append(table, id)).toBe(at);
    for (const [at, id] of ids.entries()) expect([table.slotOf(id), table.memoryIdAt(at)]).toEqual([at, id]);
  });

  test("a killed slot is dead and its memory unknown, the others stay", () => {
    const table = new SlotTable();
    for (const id of ["a", "b", "c"]) append(table, id);
    table.kill(1);
    table.kill(1);
    expect([0, 1, 2, 3].map((at) => table.isLive(at))).toEqual([true, false, true, false]);
    expect(table.slotOf("b")).toBeUndefined();
    expect(table.memoryIdAt(1)).toBeUndefined();
    expect([table.liveCount, table.deadCount]).toEqual([2, 1]);
    expect(append(table, "b", 2)).toBe(3);
    expect(table.slotOf("b")).toBe(3);
  });

  test("stays correct while the same memories are updated repeatedly", () => {
    const table = new SlotTable();
    for (let version = 1; version <= 50; version++) {
      for (let index = 0; index < 40; index++) {
        const held = table.slotOf(`m${index}`);
        if (held !== undefined) table.kill(held);
        append(table, `m${index}`, version);
      }
    }
    expect([table.length, table.liveCount]).toEqual([2_000, 40]);
    for (let index = 0; index < 40; index++) expect(table.versionAt(table.slotOf(`m${index}`)!)).toBe(50);
  });

  test("an unused row takes a dead slot", () => {
    const table = new SlotTable();
    expect(table.appendDead()).toBe(0);
    expect(append(table, "a")).toBe(1);
    expect([table.liveCount, table.deadCount]).toEqual([1, 1]);
    expect(() => table.entryAt(0)).toThrow("dead");
  });

  test("digests are computed in portions, once, for live slots only", () => {
    const table = new SlotTable();
    for (let index = 0; index < 10; index++) append(table, `m${index}`, index + 1);
    table.kill(3);
    const asked: number[] = [];
    const compute = (entry: SlotEntry): SlotDigest => {
      asked.push(entry.version);
      return digestOf(entry);
    };
    expect(table.digestNext(6, compute)).toBe(false);
    expect(table.digestNext(6, compute)).toBe(true);
    expect(table.digestNext(6, compute)).toBe(true);
    expect(asked).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect([table.bucketAt(9), table.digestHighAt(9), table.digestLowAt(9)]).toEqual([10, 0xffff_fff0, 11]);
  });

  test("a rewritten table keeps the live entries in order, and later slots unchanged", () => {
    const table = new SlotTable();
    for (let index = 0; index < 100; index++) append(table, `m${index}`, index + 1);
    for (let index = 0; index < 100; index += 3) table.kill(index);
    const kept = Uint32Array.from({ length: 100 }, (_, slot) => slot).filter((slot) => table.isLive(slot));
    table.digestNext(100, digestOf);
    for (let index = 100; index < 110; index++) append(table, `m${index}`, index + 1);
    for (const dead of [1, 105]) table.kill(dead); // While the first hundred were being rewritten.
    const rewritten = table.rewritten(kept, 100);
    expect([rewritten.length, rewritten.deadCount, rewritten.digested]).toEqual([76, 2, 66]);
    expect([rewritten.isLive(0), rewritten.isLive(66 + 5)]).toEqual([false, false]);
    for (const [at, old] of [...kept, 100, 101, 102, 103, 104, 105, 106].entries()) {
      if (!table.isLive(old)) continue;
      expect(rewritten.entryAt(at)).toEqual(table.entryAt(old));
      expect(rewritten.slotOf(table.entryAt(old).memoryId)).toBe(at);
      if (old < 100) expect(rewritten.digestLowAt(at)).toBe(table.digestLowAt(old));
    }
  });

  test("a table restored from its columns is equal", () => {
    const table = new SlotTable();
    for (let index = 0; index < 200; index++) append(table, `größe ${index}`, index + 1);
    for (let index = 0; index < 200; index += 4) table.kill(index);
    table.digestNext(50, digestOf);
    const copy = SlotTable.from(table.columns(), table.length, table.digested);
    expect([copy.length, copy.liveCount, copy.digested]).toEqual([200, 150, 50]);
    for (let slot = 0; slot < 200; slot++) {
      expect(copy.isLive(slot)).toBe(table.isLive(slot));
      if (table.isLive(slot)) expect(copy.entryAt(slot)).toEqual(table.entryAt(slot));
    }
    expect(append(copy, "another")).toBe(200);
    expect(copy.slotOf("größe 199")).toBe(199);
  });
});

describe("TombstoneTable", () => {
  test("keeps positions while entries are added and removed, and removes the gaps on demand", () => {
    const table = new TombstoneTable();
    for (const [index, id] of ["a", "b", "c"].entries()) table.set(id, index + 1, index);
    table.delete("b");
    table.delete("unknown");
    expect(table.at(1)).toBeUndefined();
    expect(table.at(2)).toEqual({ memoryId: "c", version: 3, bucket: 2 });
    table.set("c", 9, 2);
    expect([table.length, table.count, table.versionOf("c")]).toEqual([3, 2, 9]);
    table.set("b", 4, 1);
    expect(table.at(3)?.memoryId).toBe("b");
    table.compact();
    expect([0, 1, 2].map((at) => table.at(at)?.memoryId)).toEqual(["a", "c", "b"]);
    expect([table.length, table.versionOf("b"), table.versionOf("unknown")]).toEqual([3, 4, undefined]);
  });
});
