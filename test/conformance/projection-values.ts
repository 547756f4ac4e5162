import { describe, expect, test } from "vitest";
import { checksumOf, embeddingBytes } from "../../src/domain/checksum.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import { keepsMemory } from "../../src/stores/traits.ts";
import { keyOf, put } from "./changes.ts";
import { type ProjectionUnderTest, soon } from "./projection-suite.ts";

const SMALLEST = 2 ** -149;
const LARGEST = 3.4028234663852886e38;

/** Ids that a separator, an escape or an encoding could break. */
const IDS = [
  ":",
  "a:b:c",
  ":leading",
  "trailing:",
  " spaces  inside ",
  "line\nbreak\r\n",
  "tab\tand\u0001control\u007f",
  "quote\"and'and`",
  "back\\slash",
  "{curly}",
  "*?[]",
  "$1",
  "%s",
  "é",
  "e\u0301",
  "\ufeffmark",
  "\uffff",
  "emoji 👩‍👩‍👧‍👦 🎉",
  "__proto__",
  "constructor",
  "null",
  "0",
  "x".repeat(512),
  "👍".repeat(128),
];

const VECTORS: Record<string, number[]> = {
  "negative zero": [-0, 0, 1, -0, 0, -1, 0, -0],
  "subnormal numbers": [SMALLEST, -SMALLEST, 1, 2 * SMALLEST, 1e-40, -1e-40, 2 ** -127, 0.5],
  "small and large together": [1e-30, 1e15, -1e15, 1e-15, 7, -7, 0.1, 0.2],
  "numbers that no decimal meets": [0.1, 0.2, 0.3, 1 / 3, Math.PI, Math.E, -1 / 7, 1e-7],
};

export function describeValues(subject: ProjectionUnderTest): void {
  const readBack = async (changes: readonly PutChange[]): Promise<LiveEntry[]> => {
    const entries = await subject.projection.read(changes.map(keyOf), { data: true }, soon());
    for (const entry of entries) expect(entry?.state).toBe("live");
    return entries as LiveEntry[];
  };

  describe("what is published", () => {
    test("reads back under ids with any characters, each its own", async () => {
      const changes = IDS.flatMap((id, number) => [
        put(id, number + 1),
        put(id, number + 101, { namespace: "A-z.0_9" }),
        put(id, number + 201, { namespace: "n".repeat(128) }),
      ]);
      expect(new Set(await subject.projection.publish(changes, soon()))).toEqual(new Set(["applied"]));
      const entries = await readBack(changes);
      entries.forEach(({ namespace, memoryId, version, checksum }, number) => {
        const change = changes[number]!;
        expect({ namespace, memoryId, version, checksum }).toEqual({
          ...keyOf(change),
          version: change.version,
          checksum: change.checksum,
        });
      });
      const scanned: unknown[] = [];
      let cursor: string | null = null;
      do {
        const page = await subject.projection.scan(cursor, { limit: 10_000 }, soon());
        scanned.push(...page.entries);
        cursor = page.cursor;
      } while (cursor !== null);
      expect(new Set(scanned.map((entry) => JSON.stringify(keyOf(entry as never))))).toEqual(
        new Set(changes.map((change) => JSON.stringify(keyOf(change)))),
      );
      expect(await subject.projection.count(soon())).toBe(changes.length);
    });

    test("has the bytes that were given, so that its checksum can be proven", async () => {
      const { documents } = subject.traits;
      const changes = Array.from({ length: 300 }, (_, number) => put(`n${number}`, number + 1));
      await subject.projection.publish(changes, soon());
      const entries = await readBack(changes);
      entries.forEach((entry, number) => {
        const change = changes[number]!;
        expect(subject.projection.flaw(entry, change)).toBeNull();
        expect(entry.data?.embedding).toHaveLength(32);
        if (!documents) return;
        expect(entry.data?.documentJson?.toString()).toBe(change.documentJson);
        expect(JSON.parse(entry.data?.versionVector ?? "")).toEqual(change.versionVector);
        expect(entry.modifiedAt).toBe(change.modifiedAt);
        expect(checksumOf(entry.data!.documentJson!, entry.data!.embedding)).toBe(change.checksum);
      });
    });

    test("keeps every bit of a vector, in whatever spelling its numbers came", async () => {
      const extremes = { extremes: [LARGEST, -LARGEST, 1, SMALLEST, 0, -0, LARGEST, 1] };
      const vectors = Object.entries(subject.traits.exactVectors ? { ...VECTORS, ...extremes } : VECTORS);
      const changes = vectors.map(([name, values]) => put(name, 1, { embedding: Float32Array.from(values) }));
      await subject.projection.publish(changes, soon());
      const entries = await readBack(changes);
      entries.forEach((entry, number) => {
        const change = changes[number]!;
        expect(subject.projection.flaw(entry, change)).toBeNull();
        if (subject.traits.exactVectors)
          expect(entry.data?.embedding).toEqual(Buffer.from(embeddingBytes(change.embedding!)));
        const stored = new Float32Array(new Uint8Array(entry.data!.embedding!).buffer);
        change.embedding!.forEach((component, place) => {
          // Sign bits survive a scaling too.
          if (component === 0) expect(Object.is(stored[place], component)).toBe(true);
        });
      });
    });

    test("without a vector is held only where there is a use for it", async () => {
      const { projection, traits } = subject;
      const change = put("plain", 2, { embedding: null });
      expect(keepsMemory(projection.traits, false)).toBe(traits.withoutVector);
      expect(keepsMemory(projection.traits, true)).toBe(true);
      await projection.publish([put("plain", 1), change], soon());
      const [entry] = await projection.read([keyOf(change)], { data: true }, soon());
      if (traits.withoutVector) {
        expect(entry).toMatchObject({ state: "live", version: 2, data: { embedding: null } });
        expect(projection.flaw(entry as LiveEntry, change)).toBeNull();
      } else {
        expect(entry).toMatchObject({ state: "tombstone", version: 2 });
        expect(await projection.publish([put("plain", 1)], soon())).toEqual(["stale"]);
      }
    });

    test("is judged by its data: another document or vector is a flaw, which says what", async () => {
      const { projection, traits } = subject;
      const change = put("a", 1);
      await projection.publish([change], soon());
      const [entry] = await readBack([change]);
      expect(projection.flaw(entry!, change)).toBeNull();
      const flipped = Buffer.from(entry!.data!.embedding!);
      flipped[13]! ^= 1;
      expect(projection.flaw({ ...entry!, data: { ...entry!.data!, embedding: flipped } }, change)).toMatch(/\S/);
      expect(projection.flaw({ ...entry!, data: { ...entry!.data!, embedding: null } }, change)).toMatch(/\S/);
      if (!traits.documents) return;
      const documentJson = Buffer.from(change.documentJson.replace("at 1", "at 2"));
      expect(projection.flaw({ ...entry!, data: { ...entry!.data!, documentJson } }, change)).toMatch(/\S/);
    });

    test("is told without its bytes when they are not asked for", async () => {
      const change = put("a", 1);
      await subject.projection.publish([change], soon());
      const [entry] = await subject.projection.read([keyOf(change)], { data: false }, soon());
      expect(entry).not.toHaveProperty("data");
    });
  });
}
