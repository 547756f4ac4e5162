import { expect, test } from "vitest";
import { parseStoredDocument } from "../../../src/domain/stored-document.ts";

const AT = { namespace: "tenant", memoryId: "m1", version: 7 };
const SOUND = { content: "c", memoryType: "episodic", importance: 0.5, metadata: { a: [1] }, privacy: "full" };

test("a sound document is given back as it was", () => {
  for (const more of [{}, { embeddingModel: "m" }, { expiresAt: "2030-01-31T00:00:00.000Z" }]) {
    expect(parseStoredDocument(JSON.stringify({ ...SOUND, ...more }), AT)).toEqual({ ...SOUND, ...more });
  }
});

test.each([
  ["{", "it is no JSON"],
  ["null", "it is no JSON object"],
  ["[]", "it is no JSON object"],
  [{ content: 1 }, "content is no text"],
  [{ memoryType: undefined }, "memoryType is no text"],
  [{ importance: "1" }, "importance is no number"],
  [{ metadata: [] }, "metadata is no object"],
  [{ privacy: "none" }, "privacy is none of full, redacted, local_only"],
  [{ embeddingModel: null }, "embeddingModel is no text"],
  [{ expiresAt: "soon" }, "expiresAt is no time"],
  [{ expiresAt: 5 }, "expiresAt is no time"],
])("%j is refused: %s", (damage, flaw) => {
  const json = typeof damage === "string" ? damage : JSON.stringify({ ...SOUND, ...damage });
  expect(() => parseStoredDocument(json, AT)).toThrow(
    `the ledger's document of memory "m1" in namespace tenant, version 7, is damaged: ${flaw}; mnemosync check --scope deep`,
  );
});
