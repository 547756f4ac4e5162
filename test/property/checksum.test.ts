import { describe, expect, test } from "vitest";
import { checksumOf, embeddingBytes } from "../../src/domain/checksum.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { MemoryValidator } from "../../src/domain/schema.ts";
import { json, jsonObject, memoryInput, respell, spell, text, vector } from "../support/arbitraries.ts";
import { randomNumbers } from "../support/memories.ts";
import fc from "../support/properties.ts";

const validator = new MemoryValidator();
const checksum = (input: object): string => validator.encode(validator.validate(input)).checksum;
const base = { memoryId: "m", content: "c", memoryType: "t" };

describe("the checksum", () => {
  test("does not depend on the order of keys, the spelling of numbers or of characters, or white space", () => {
    fc.assert(
      fc.property(jsonObject, fc.integer(), (metadata, seed) => {
        const respelled = JSON.parse(respell(metadata, randomNumbers(seed))) as JsonObject;
        expect(spell(respelled)).toBe(spell(metadata));
        expect(checksum({ ...base, metadata: respelled })).toBe(checksum({ ...base, metadata }));
      }),
      { numRuns: 500 },
    );
  });

  test("is of exactly the document's canonical JSON, as an implementation apart spells it", () => {
    fc.assert(
      fc.property(memoryInput(3), (input) => {
        const encoded = validator.encode(validator.validate(input));
        expect(encoded.documentJson).toBe(spell(JSON.parse(encoded.documentJson)));
        expect(encoded.checksum).toBe(
          checksumOf(encoded.documentJson, input.embedding ? Float32Array.from(input.embedding) : null),
        );
        expect(JSON.parse(encoded.documentJson)).toMatchObject({
          content: input.content,
          memoryType: input.memoryType,
          importance: (input.importance ?? 0.5) + 0, // Minus zero is zero.
        });
        expect(spell(encoded.document.metadata)).toBe(spell(input.metadata ?? {}));
      }),
      { numRuns: 300 },
    );
  });

  test("changes with one bit of the vector", () => {
    fc.assert(
      fc.property(vector(4), fc.nat(127), (embedding, bit) => {
        const flipped = Buffer.from(embeddingBytes(embedding));
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const before = checksumOf("{}", embedding);
        expect(checksumOf("{}", flipped)).not.toBe(before);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(checksumOf("{}", flipped)).toBe(before);
      }),
    );
  });

  test("changes with one bit of the document's bytes", () => {
    fc.assert(
      fc.property(memoryInput(2), fc.nat(), (input, place) => {
        const { documentJson, embedding, checksum: before } = validator.encode(validator.validate(input));
        const bytes = Buffer.from(documentJson);
        bytes[place % bytes.length]! ^= 1 << (place % 8);
        expect(checksumOf(bytes, embedding)).not.toBe(before);
      }),
    );
  });

  test("differs for different memories", () => {
    fc.assert(
      fc.property(text(20), text(20), json, json, (a, b, left, right) => {
        const same = a === b && spell(left) === spell(right);
        const first = checksum({ ...base, content: a, metadata: { x: left } });
        const second = checksum({ ...base, content: b, metadata: { x: right } });
        expect(first === second).toBe(same);
      }),
    );
  });
});
