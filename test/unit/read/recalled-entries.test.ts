import { expect, test } from "vitest";
import { RecalledEntries } from "../../../src/read/recalled-entries.ts";
import type { LiveEntry } from "../../../src/stores/projection.ts";

function live(memoryId: string, bytes = 100, fields: Partial<LiveEntry> = {}): LiveEntry {
  return {
    ...{ state: "live", namespace: "default", memoryId, version: 1, checksum: "c", modifiedAt: 5 },
    data: { documentJson: Buffer.alloc(bytes, "x"), embedding: null, versionVector: "{}", digest: "d" },
    ...fields,
  };
}

test("keeps a copy, which is the same entry each time it is asked for", () => {
  const entries = new RecalledEntries(100_000);
  const entry = live("a");
  entries.add(entry);
  const kept = entries.of(entry);
  expect(kept).toEqual({ ...entry, digest: "d", keyText: "default\u0000a" });
  expect(kept?.data.documentJson?.buffer).not.toBe(entry.data?.documentJson?.buffer);
  expect(entries.of({ namespace: "default", memoryId: "a" })).toBe(kept);
  expect([entries.has(kept!), entries.has(entry)]).toEqual([true, false]);
  expect(entries.of({ namespace: "other", memoryId: "a" })).toBeUndefined();
  entries.forget(entry);
  expect(entries.of(entry)).toBeUndefined();
  expect(entries.has(kept!)).toBe(false);
});

test("keeps nothing that the store could not be asked about", () => {
  const entries = new RecalledEntries(100_000);
  const { data } = live("x");
  entries.add(live("time", 10, { modifiedAt: null }));
  entries.add(live("digest", 10, { data: { ...data!, digest: null } }));
  entries.add(live("document", 10, { data: { ...data!, documentJson: null } }));
  entries.add(live("data", 10, { data: undefined }));
  for (const memoryId of ["time", "digest", "document", "data"]) {
    expect(entries.of({ namespace: "default", memoryId })).toBeUndefined();
  }
});

test("its bytes are bounded, and entries in use outlive those that are not", () => {
  const entries = new RecalledEntries(20_000);
  const isHeld = (memoryId: string): boolean => entries.has(entries.of({ namespace: "default", memoryId })!);
  entries.add(live("huge", 20_000));
  expect(entries.of({ namespace: "default", memoryId: "huge" })).toBeUndefined();
  entries.add(live("used", 500));
  for (let at = 0; at < 200; at++) {
    entries.add(live(`m${at}`, 500));
    expect(isHeld("used")).toBe(true);
  }
  const held = Array.from({ length: 200 }, (_, at) => `m${at}`).filter(
    (memoryId) => entries.of({ namespace: "default", memoryId }) !== undefined,
  );
  expect(held.length).toBeGreaterThan(5);
  expect(held.length * 900).toBeLessThan(20_000);
  expect(held).toContain("m199");
});
