import { expect, test } from "vitest";
import { checksumOf, type Memory, type MemoryInput } from "../../src/index.ts";
import { memoryInput, spell } from "../support/arbitraries.ts";
import fc from "../support/properties.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: what passes validation reads back equal from every store. Method: real stores, 40 batches of 25 memories. */

const DIMENSION = 8;
/** The dot product's vectors are kept as they are given; cosine would scale them. */
const shared = sharedWorld({ clients: "own", faiss: { dimension: DIMENSION, metric: "ip" } });

/** What a memory says, in one spelling. */
function meaning(input: MemoryInput | Memory): string {
  const { content, memoryType, importance = 0.5, metadata = {}, privacy = "full", embeddingModel, expiresAt } = input;
  return spell({
    content,
    memoryType,
    importance,
    metadata,
    privacy,
    ...(embeddingModel && { embeddingModel }),
    ...(expiresAt && { expiresAt: new Date(expiresAt).toISOString() }),
  });
}

const bits = (vector: ArrayLike<number> | null | undefined): string | null =>
  vector == null ? null : Buffer.from(Float32Array.from(vector).buffer).toString("hex");

test("every memory that passes validation reads back equal from Redis, from the ledger and from the index", async () => {
  const world = shared.current;
  const batch = fc.uniqueArray(memoryInput(DIMENSION), {
    minLength: 25,
    maxLength: 25,
    selector: ({ namespace = "default", memoryId }) => `${namespace}\u0000${memoryId}`,
  });
  let written = 0;
  await fc.assert(
    fc.asyncProperty(batch, async (inputs) => {
      const outcomes = await world.sync.syncBatch(inputs);
      for (const { status, error } of outcomes)
        expect([status, error]).toEqual([expect.stringMatching(/^(synced|unchanged)$/), undefined]);
      written += outcomes.filter(({ version }) => version === 1).length;
      const keys = inputs.map(({ namespace = "default", memoryId }) => ({ namespace, memoryId }));
      const read = async () =>
        await Promise.all(keys.map(({ namespace, memoryId }) => world.sync.get(memoryId, { namespace })));
      const compare = (memories: (Memory | null)[], source: string) => {
        memories.forEach((memory, place) => {
          const input = inputs[place]!;
          expect(memory).toMatchObject({ ...keys[place], source, version: outcomes[place]!.version });
          expect(meaning(memory!)).toBe(meaning(input));
          expect(bits(memory!.embedding)).toBe(bits(input.embedding));
          expect(memory!.checksum).toBe(outcomes[place]!.checksum);
        });
      };
      compare(await read(), "redis");
      // The bytes in Redis, behind its back: they prove the checksum.
      const pipeline = world.redis.pipeline();
      for (const { namespace, memoryId } of keys) pipeline.hgetallBuffer(world.redisKey(memoryId, namespace));
      const hashes = ((await pipeline.exec()) ?? []).map(([, hash]) => hash as Record<string, Buffer>);
      hashes.forEach((hash, place) => {
        expect(checksumOf(hash.data!, hash.embedding ?? null)).toBe(outcomes[place]!.checksum);
      });
      await world.redis.unlink(keys.map(({ namespace, memoryId }) => world.redisKey(memoryId, namespace)));
      compare(await read(), "postgres");
      const entries = await world.index.read(keys, { data: true }, AbortSignal.timeout(60_000));
      entries.forEach((entry, place) => {
        const { embedding } = inputs[place]!;
        const { version, checksum } = outcomes[place]!;
        if (embedding == null) expect(entry?.state ?? "tombstone").toBe("tombstone");
        else {
          expect(entry).toMatchObject({ state: "live", version, checksum });
          expect(entry?.state === "live" && entry.data?.embedding?.toString("hex")).toBe(bits(embedding));
        }
      });
    }),
    { numRuns: 40, endOnFailure: true },
  );
  expect(written).toBeGreaterThan(500);
  // Redis lost them all: it gets them again from the ledger, and everything agrees, down to the bits.
  const report = await world.sync.checkConsistency();
  expect(report.findings.every(({ store, kind }) => store === "redis" && kind === "missing")).toBe(true);
  expect(await world.sync.repairInconsistencies(report)).toMatchObject({ failed: 0, deferred: 0 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, findings: [] });
}, 240_000);
