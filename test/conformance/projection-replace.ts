import { describe, expect, test } from "vitest";
import type { MemoryChange } from "../../src/domain/memory.ts";
import type { LiveEntry, Replacement, StoredEntry } from "../../src/stores/projection.ts";
import { keyOf, put, tombstone } from "./changes.ts";
import { type ProjectionUnderTest, soon } from "./projection-suite.ts";

export function describeReplace(subject: ProjectionUnderTest): void {
  const key = { namespace: "default", memoryId: "a" };
  const read = async (data = false): Promise<StoredEntry | null> =>
    (await subject.projection.read([key], { data }, soon()))[0] ?? null;
  const replace = async (found: StoredEntry | null, change: MemoryChange | null): Promise<string | undefined> => {
    const replacement: Replacement = { key, found, change };
    return (await subject.projection.replace([replacement], soon()))[0];
  };

  describe("replace", () => {
    test("puts something where nothing was, unless something is there by now", async () => {
      expect(await replace(null, put("a", 3))).toBe("applied");
      expect(await read()).toMatchObject({ state: "live", version: 3 });
      expect(await replace(null, put("a", 4))).toBe("moved");
      expect(await replace(null, null)).toBe("moved");
      expect(await read()).toMatchObject({ version: 3, checksum: put("a", 3).checksum });
    });

    test("goes back to a lower version, which no publish does", async () => {
      await subject.projection.publish([put("a", 9)], soon());
      const found = await read(true);
      expect(await replace(found, put("a", 2))).toBe("applied");
      const entry = (await read(true)) as LiveEntry;
      expect(entry).toMatchObject({ state: "live", version: 2, checksum: put("a", 2).checksum });
      expect(subject.projection.flaw(entry, put("a", 2))).toBeNull();
      expect(await subject.projection.publish([put("a", 3)], soon())).toEqual(["applied"]);
    });

    test("of the same version puts the right data in place of other data", async () => {
      await subject.projection.publish([put("a", 2, { content: "other" })], soon());
      expect(await replace(await read(), put("a", 2))).toBe("applied");
      expect(subject.projection.flaw((await read(true)) as LiveEntry, put("a", 2))).toBeNull();
    });

    test("with nothing removes the entry, so that nothing fends off an old version any more", async () => {
      await subject.projection.publish([put("a", 9)], soon());
      expect(await replace(await read(), null)).toBe("applied");
      expect(await read()).toBeNull();
      expect(await subject.projection.count(soon())).toBe(0);
      expect(await subject.projection.publish([put("a", 1)], soon())).toEqual(["applied"]);
    });

    test("between live entries and tombstones goes both ways", async () => {
      await subject.projection.publish([put("a", 5)], soon());
      expect(await replace(await read(), tombstone("a", 5))).toBe("applied");
      expect(await read()).toMatchObject({ state: "tombstone", version: 5 });
      expect(await replace(await read(), put("a", 5))).toBe("applied");
      expect(await read()).toMatchObject({ state: "live", version: 5 });
      expect(await replace(await read(), tombstone("a", 3))).toBe("applied");
      expect(await replace(await read(), null)).toBe("applied");
      expect(await read()).toBeNull();
    });

    test("does nothing where the store moved on since it was read", async () => {
      await subject.projection.publish([put("a", 1)], soon());
      const found = await read();
      await subject.projection.publish([put("a", 2)], soon());
      const checks: [StoredEntry | null, string][] = [
        [found, "an older version"],
        [{ ...(found as LiveEntry), version: 2 }, "the version with another checksum"],
        [{ ...(found as LiveEntry), version: 2, checksum: "0".repeat(64) }, "a made-up checksum"],
        [{ ...key, state: "tombstone", version: 2 }, "a tombstone of the version"],
        [null, "nothing"],
      ];
      for (const [wrong, what] of checks) expect([what, await replace(wrong, put("a", 7))]).toEqual([what, "moved"]);
      expect(await read()).toMatchObject({ version: 2, checksum: put("a", 2).checksum });
    });

    test("answers one by one, in order, and keeps count and digest right", async () => {
      const keys = ["a", "b", "c", "d"].map((memoryId) => ({ namespace: "default", memoryId }));
      await subject.projection.publish([put("a", 1), put("b", 1), tombstone("c", 1)], soon());
      const found = await subject.projection.read(keys, { data: true }, soon());
      await subject.projection.publish([put("b", 2)], soon());
      const changes = [put("a", 4), put("b", 4), put("c", 4), put("d", 4)];
      const answers = await subject.projection.replace(
        keys.map((each, number) => ({ key: each, found: found[number] ?? null, change: changes[number]! })),
        soon(),
      );
      expect(answers).toEqual(["applied", "moved", "applied", "applied"]);
      const versions = await subject.projection.read(changes.map(keyOf), { data: false }, soon());
      expect(versions.map((entry) => entry?.state === "live" && entry.version)).toEqual([4, 2, 4, 4]);
      expect(await subject.projection.count(soon())).toBe(4);
      expect((await subject.projection.digest(soon())).total).toBe(4);
    });

    test("of 1,200 entries at once", async () => {
      const changes = Array.from({ length: 1_200 }, (_, number) => put(`n${number}`, 2));
      await subject.projection.publish(changes, soon());
      const found = await subject.projection.read(changes.map(keyOf), { data: false }, soon());
      const replacements = changes.map((change, number) => ({
        key: keyOf(change),
        found: found[number] ?? null,
        change: number % 2 === 0 ? put(change.memoryId, 1) : null,
      }));
      expect(new Set(await subject.projection.replace(replacements, soon()))).toEqual(new Set(["applied"]));
      expect(await subject.projection.count(soon())).toBe(600);
      expect(new Set(await subject.projection.replace(replacements, soon()))).toEqual(new Set(["moved"]));
    });
  });
}
