import { expect, test } from "vitest";
import {
  encodeManifest,
  parseManifest,
  type SnapshotManifest,
  SnapshotRejection,
} from "../../../src/stores/faiss/snapshots/snapshot-manifest.ts";

const expected = { epoch: "e1", model: "m", dimension: 3, metric: "cosine" as const };
const manifest: SnapshotManifest = {
  ...expected,
  cursor: { xid: "12345678901234567890", seq: "7" },
  createdAt: 1_700_000_000_000,
  files: [{ name: "slots.bin", bytes: 4, sha256: "0".repeat(64) }],
  namespaces: [{ name: "default", live: 1, main: null, segments: [{ file: "index-0.faiss", offset: 0, rows: 1 }] }],
};

const rejection = (text: string, wanted = expected): SnapshotRejection => {
  try {
    parseManifest(text, wanted);
  } catch (error) {
    if (error instanceof SnapshotRejection) return error;
  }
  throw new Error("was not rejected");
};

test("a manifest reads back", () => {
  expect(parseManifest(encodeManifest(manifest), expected)).toEqual(manifest);
});

test("another dimension, metric or model is a mismatch that names both values; an unstated model fits every model", () => {
  const text = encodeManifest(manifest);
  const wrong = rejection(text, { ...expected, dimension: 4, model: "other" });
  expect(wrong.kind).toBe("mismatch");
  expect(wrong.message).toBe("it has dimension 3, and 4 is configured, it is of model m, and other is configured");
  expect(rejection(encodeManifest({ ...manifest, metric: "l2" })).kind).toBe("mismatch");
  expect(parseManifest(encodeManifest({ ...manifest, model: null }), expected).model).toBeNull();
});

test("a manifest of another epoch or format, or an invalid one, is set aside with a reason", () => {
  expect(rejection(encodeManifest({ ...manifest, epoch: "e0" })).message).toMatch(/epoch e0/);
  expect(rejection(JSON.stringify({ formatVersion: 1, manifest })).message).toMatch(/format 1/);
  const file = manifest.files[0];
  const broken: unknown[] = [
    null,
    [],
    { ...manifest, cursor: { xid: "x", seq: "1" } },
    { ...manifest, files: [{ ...file, name: "../../etc/passwd" }] },
    { ...manifest, files: [{ ...file, sha256: "short" }] },
    { ...manifest, namespaces: [{ name: "a", live: 1, main: null, segments: [{ file: "index-0.faiss" }] }] },
    { ...manifest, namespaces: [{ name: "a", live: 1, main: { file: "main-0.faiss" }, segments: [] }] },
    { ...manifest, createdAt: "yesterday" },
  ];
  for (const value of broken) expect(rejection(encodeManifest(value as SnapshotManifest)).kind).toBe("set_aside");
  const text = encodeManifest(manifest);
  for (let length = 0; length < text.length; length += 7)
    expect(rejection(text.slice(0, length)).kind).toBe("set_aside");
});

test("a change of any character of a manifest is detected", () => {
  const text = encodeManifest(manifest);
  for (let at = 0; at < text.length; at++) {
    const changed = text[at] === "7" ? "8" : "7";
    expect(rejection(text.slice(0, at) + changed + text.slice(at + 1)).kind, `character ${at}`).toBe("set_aside");
  }
});
