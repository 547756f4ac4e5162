import { describe, expect, test } from "vitest";
import { type NewSlot, SlotTable } from "../../../src/projections/faiss/slot-table.ts";
import { TombstoneTable } from "../../../src/projections/faiss/tombstone-table.ts";

const slot = (memoryId: string, version = 1): NewSlot => ({
  memoryId,
  version,
  checksum: version.toString(16).padStart(64, "0"),
  bucket: version % 65_536,
  digestHigh: 0xffff_fff0 + (version % 16),
  digestLow: version,
});

describe("SlotTable", () => {
  test("gives out slots in order and finds them by memory, across growth", () => {
    const table = new SlotTable();
    for (let index = 0; index < 1_000; index++) expect(table.append(slot(`m${index}`, index + 1))).toBe(index);
    expect(table.length).toBe(1_000);
    expect(table.slotOf("m777")).toBe(777);
    expect(table.entryAt(777)).toEqual({ memoryId: "m777", version: 778, checksum: slot("m777", 778).checksum });
    expect(table.bucketAt(777)).toBe(778);
    expect(table.digestHighAt(777)).toBe(0xffff_fff0 + (778 % 16));
    expect(table.digestLowAt(777)).toBe(778);
    expect(table.slotOf("unknown")).toBeUndefined();
  });

  test("a killed slot is dead and its memory unknown, the others stay", () => {
    const table = new SlotTable();
    for (const id of ["a", "b", "c"]) table.append(slot(id));
    table.kill(1);
    table.kill(1);
    expect([0, 1, 2, 3].map((at) => table.isLive(at))).toEqual([true, false, true, false]);
    expect(table.slotOf("b")).toBeUndefined();
    expect([table.liveCount, table.deadCount]).toEqual([2, 1]);
    expect(table.append(slot("b", 2))).toBe(3);
    expect(table.slotOf("b")).toBe(3);
  });

  test("a row that nobody wants takes a dead slot", () => {
    const table = new SlotTable();
    expect(table.appendDead()).toBe(0);
    expect(table.append(slot("a"))).toBe(1);
    expect([table.liveCount, table.deadCount]).toEqual([1, 1]);
    expect(() => table.entryAt(0)).toThrow("dead");
  });

  test("compaction keeps the live entries in order and says where they were", () => {
    const table = new SlotTable();
    for (let index = 0; index < 100; index++) table.append(slot(`m${index}`, index + 1));
    for (let index = 0; index < 100; index += 3) table.kill(index);
    const { table: compacted, kept } = table.compacted();
    expect(compacted.length).toBe(66);
    expect(compacted.deadCount).toBe(0);
    for (const [at, old] of kept.entries()) {
      expect(compacted.entryAt(at)).toEqual(table.entryAt(old));
      expect(compacted.digestLowAt(at)).toBe(table.digestLowAt(old));
    }
  });
});

describe("TombstoneTable", () => {
  test("keeps positions while entries come and go, and closes the gaps on demand", () => {
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
