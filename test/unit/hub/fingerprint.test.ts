import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { expect, test } from "vitest";
import { fingerprintOf } from "../../../src/hub/fingerprint.ts";
import { type PushChange, pushChangeSchema } from "../../../src/hub/protocol/push.ts";
import fc from "../../support/properties.ts";

/**
 * Goal: a fingerprint never changes, since a device may repeat a change after the hub was upgraded. Method: it is what it was from the
 * first version on, the hash of RFC 8785, for any change and any order of its fields.
 */

function ofFirstVersion(change: PushChange): string {
  const { op, namespace, memoryId, modifiedAt } = change;
  const told = ["mnemosync change", 1, op, namespace, memoryId, modifiedAt, change.op === "put" ? change.memory : null];
  return createHash("sha256")
    .update(canonicalize(told) as string)
    .digest("base64url");
}

const key = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const head = { key, namespace: "default", memoryId: "m", baseVersion: null, modifiedAt: 1_767_268_800_123.5 };
const text = fc.string({ unit: "binary" });
const shared = {
  memoryType: text,
  importance: fc.double({ min: 0, max: 1, noNaN: true }),
  expiresAt: fc.option(text, { nil: undefined }),
};
const full = fc.record({
  ...shared,
  privacy: fc.constant("full" as const),
  content: text,
  metadata: fc.dictionary(fc.oneof(text, fc.nat().map(String)), fc.jsonValue()),
  embedding: fc.constantFrom(null, "AAAAAA==", "AACAPw=="),
  embeddingModel: fc.option(text, { nil: undefined }),
});
const redacted = fc.record({ ...shared, privacy: fc.constant("redacted" as const) });

test("a fingerprint is that of the first version, whatever the change holds", () => {
  fc.assert(
    fc.property(fc.oneof(full, redacted), (memory) => {
      const given = JSON.parse(JSON.stringify({ ...head, op: "put", memory }));
      const change = pushChangeSchema().parse(given);
      expect(fingerprintOf(change)).toBe(ofFirstVersion(change));
    }),
    { numRuns: 500 },
  );
  for (const op of ["delete", "withdraw"] as const) {
    const change = pushChangeSchema().parse({ ...head, op });
    expect(fingerprintOf(change)).toBe(ofFirstVersion(change));
  }
});

test("a fingerprint is pinned", () => {
  const memory = { privacy: "full", content: "ü", memoryType: "note", importance: 0.5, metadata: { b: 1, a: [null] } };
  const change = pushChangeSchema().parse({ ...head, op: "put", memory });
  expect(fingerprintOf(change)).toMatchInlineSnapshot(`"kq1ZwY_EuC5LyhKnrRCLna0trpdsyQSevwnW0tD0thE"`);
});
