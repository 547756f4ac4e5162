import { describe, expect, test } from "vitest";
import { BucketDigests } from "../../src/domain/buckets.ts";
import type { StoredEntry } from "../../src/stores/projection.ts";
import { keyOf, put, tombstone } from "./changes.ts";
import { type ProjectionUnderTest, soon } from "./projection-suite.ts";

export function describePublish(subject: ProjectionUnderTest): void {
  const read = async (memoryId: string, namespace = "default"): Promise<StoredEntry | null> => {
    const [entry] = await subject.projection.read([{ namespace, memoryId }], { data: false }, soon());
    return entry ?? null;
  };
  const publish = (...changes: Parameters<typeof subject.projection.publish>[0]) =>
    subject.projection.publish(changes, soon());

  describe("publish", () => {
    test("makes a version visible, and answers stale to the same one again", async () => {
      const change = put("a", 1);
      expect(await read("a")).toBeNull();
      expect(await publish(change)).toEqual(["applied"]);
      const visible = { state: "live", namespace: "default", memoryId: "a", version: 1, checksum: change.checksum };
      expect(await read("a")).toMatchObject(visible);
      expect(await publish(change)).toEqual(["stale"]);
      expect(await read("a")).toMatchObject(visible);
      expect(await subject.projection.count(soon())).toBe(1);
    });

    test("never goes back: an older version after a newer one is stale and changes nothing", async () => {
      const newer = put("a", 5);
      expect(await publish(newer)).toEqual(["applied"]);
      expect(await publish(put("a", 4), put("a", 1))).toEqual(["stale", "stale"]);
      expect(await read("a")).toMatchObject({ version: 5, checksum: newer.checksum });
      expect(await publish(put("a", 6))).toEqual(["applied"]);
      expect(await read("a")).toMatchObject({ version: 6 });
    });

    test("of a tombstone hides the memory and remembers the version", async () => {
      await publish(put("a", 1));
      expect(await publish(tombstone("a", 2))).toEqual(["applied"]);
      expect(await read("a")).toEqual({ state: "tombstone", namespace: "default", memoryId: "a", version: 2 });
      expect(await subject.projection.count(soon())).toBe(0);
      expect(await publish(tombstone("a", 2))).toEqual(["stale"]);
    });

    test("comes late after a tombstone and does not resurrect the memory", async () => {
      await publish(put("a", 1), tombstone("b", 7));
      await publish(tombstone("a", 3));
      expect(await publish(put("a", 1), put("a", 2), put("a", 3), put("b", 6))).toEqual([
        "stale",
        "stale",
        "stale",
        "stale",
      ]);
      expect(await read("a")).toMatchObject({ state: "tombstone", version: 3 });
      expect(await read("b")).toMatchObject({ state: "tombstone", version: 7 });
      expect(await subject.projection.count(soon())).toBe(0);
    });

    test("of a newer version after a tombstone shows the memory again", async () => {
      await publish(tombstone("a", 3));
      expect(await publish(put("a", 4))).toEqual(["applied"]);
      expect(await read("a")).toMatchObject({ state: "live", version: 4 });
    });

    test("of a late tombstone does not hide a newer version", async () => {
      await publish(put("a", 4));
      expect(await publish(tombstone("a", 3), tombstone("a", 4))).toEqual(["stale", "stale"]);
      expect(await read("a")).toMatchObject({ state: "live", version: 4 });
    });

    test("answers one by one, in order, in a mixed call", async () => {
      await publish(put("old", 3), put("same", 1), put("gone", 1));
      const answers = await publish(
        put("new", 1),
        put("old", 2),
        put("same", 1),
        tombstone("gone", 2),
        tombstone("never", 1),
        put("old", 4),
      );
      expect(answers).toEqual(["applied", "stale", "stale", "applied", "applied", "applied"]);
      expect(await read("old")).toMatchObject({ version: 4 });
      expect(await subject.projection.count(soon())).toBe(3);
    });

    test("takes the same memory more than once in one call, in any order", async () => {
      expect(await publish(put("a", 1), put("a", 3), put("a", 2), put("a", 3))).toEqual([
        "applied",
        "applied",
        "stale",
        "stale",
      ]);
      expect(await read("a")).toMatchObject({ version: 3, checksum: put("a", 3).checksum });
      expect(await subject.projection.count(soon())).toBe(1);
    });

    test("takes 2,500 changes in one call", async () => {
      const changes = Array.from({ length: 2_500 }, (_, number) =>
        number % 10 === 9 ? tombstone(`n${number}`, 1) : put(`n${number}`, 1, { namespace: `space${number % 3}` }),
      );
      const answers = await subject.projection.publish(changes, soon());
      expect(new Set(answers)).toEqual(new Set(["applied"]));
      expect(answers).toHaveLength(2_500);
      expect(await subject.projection.count(soon())).toBe(2_250);
      const entries = await subject.projection.read(changes.map(keyOf), { data: false }, soon());
      entries.forEach((entry, number) => {
        const { memoryId } = changes[number]!;
        expect(entry).toMatchObject({ memoryId, version: 1, state: number % 10 === 9 ? "tombstone" : "live" });
      });
      expect(new Set(await subject.projection.publish(changes, soon()))).toEqual(new Set(["stale"]));
    });

    test("of nothing is nothing", async () => {
      expect(await publish()).toEqual([]);
      expect(await subject.projection.read([], { data: true }, soon())).toEqual([]);
    });

    test("keeps the same id in two namespaces apart", async () => {
      await publish(put("a", 3, { namespace: "one" }), put("a", 8, { namespace: "two" }), tombstone("a", 2, "three"));
      expect(await read("a", "one")).toMatchObject({ namespace: "one", version: 3, state: "live" });
      expect(await read("a", "two")).toMatchObject({ namespace: "two", version: 8, state: "live" });
      expect(await read("a", "three")).toMatchObject({ namespace: "three", version: 2, state: "tombstone" });
      expect(await read("a")).toBeNull();
      await publish(tombstone("a", 9, "two"));
      expect(await read("a", "one")).toMatchObject({ state: "live" });
    });

    test("by many callers at once leaves the newest version of each memory, whoever comes last", async () => {
      const calls = Array.from({ length: 60 }, (_, number) => {
        const version = ((number * 37) % 60) + 1;
        return subject.projection.publish([put("a", version), put("b", 61 - version)], soon());
      });
      await Promise.all(calls);
      expect(await read("a")).toMatchObject({ version: 60, checksum: put("a", 60).checksum });
      expect(await read("b")).toMatchObject({ version: 60, checksum: put("b", 60).checksum });
      expect(await subject.projection.count(soon())).toBe(2);
    });
  });

  describe("prepare", () => {
    const view = async () => {
      const { projection } = subject;
      const keys = ["a", "b", "c"].map((memoryId) => ({ namespace: "default", memoryId }));
      return {
        read: await projection.read(keys, { data: true }, soon()),
        scanned: (await projection.scan(null, {}, soon())).entries,
        count: await projection.count(soon()),
        // Which buckets hold something is enough here, and compared in no time.
        buckets: (await projection.digest(soon())).differences(new BucketDigests()),
      };
    };

    test("changes nothing that a reader could see", async () => {
      await publish(put("a", 1), tombstone("b", 1));
      const before = await view();
      const changes = [put("a", 2), put("b", 2), put("c", 1), tombstone("d", 4)];
      await subject.projection.prepare({ token: "T1", changes }, soon());
      expect(await view()).toEqual(before);
      await subject.projection.discard("T1", soon());
      expect(await view()).toEqual(before);
    });

    test("followed by publish with its token makes the batch visible", async () => {
      const changes = [put("a", 1), tombstone("b", 2), put("c", 3)];
      await subject.projection.prepare({ token: "T2", changes }, soon());
      expect(await subject.projection.publish(changes, soon(), "T2")).toEqual(["applied", "applied", "applied"]);
      expect(await view()).toMatchObject({
        read: [
          { state: "live", version: 1, checksum: changes[0]?.kind === "put" ? changes[0].checksum : "" },
          { state: "tombstone", version: 2 },
          { state: "live", version: 3 },
        ],
        count: 2,
      });
      // Published twice, as after a crash in between: the second time it is known already.
      expect(await subject.projection.publish(changes, soon(), "T2")).toEqual(["stale", "stale", "stale"]);
    });

    test("is no condition: a token that the store does not know, or was discarded, is no obstacle", async () => {
      expect(await subject.projection.publish([put("a", 1)], soon(), "never-prepared")).toEqual(["applied"]);
      await subject.projection.prepare({ token: "T3", changes: [put("b", 1)] }, soon());
      await subject.projection.discard("T3", soon());
      expect(await subject.projection.publish([put("b", 1)], soon(), "T3")).toEqual(["applied"]);
      expect(await view()).toMatchObject({ read: [{ version: 1 }, { version: 1 }, null], count: 2 });
    });

    test("of a batch whose memories moved on meanwhile does not turn them back", async () => {
      const changes = [put("a", 2), put("b", 2)];
      await subject.projection.prepare({ token: "T4", changes }, soon());
      await publish(put("a", 3));
      expect(await subject.projection.publish(changes, soon(), "T4")).toEqual(["stale", "applied"]);
      const [a, b] = (await view()).read;
      expect(a).toMatchObject({ version: 3, checksum: put("a", 3).checksum });
      expect(b).toMatchObject({ version: 2, checksum: put("b", 2).checksum });
    });

    test("of two batches at a time keeps them apart", async () => {
      await subject.projection.prepare({ token: "T5", changes: [put("a", 1)] }, soon());
      await subject.projection.prepare({ token: "T6", changes: [put("b", 1)] }, soon());
      await subject.projection.discard("T5", soon());
      expect(await subject.projection.publish([put("b", 1)], soon(), "T6")).toEqual(["applied"]);
      expect((await view()).read).toMatchObject([null, { version: 1 }, null]);
    });

    test("can be discarded twice, and under a token that nobody knows", async () => {
      await subject.projection.prepare({ token: "T7", changes: [put("a", 1)] }, soon());
      await subject.projection.discard("T7", soon());
      await subject.projection.discard("T7", soon());
      await subject.projection.discard("unheard-of", soon());
      expect(await view()).toMatchObject({ read: [null, null, null], count: 0 });
    });
  });
}
