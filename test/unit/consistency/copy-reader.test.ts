import { expect, test, vi } from "vitest";
import { CopyReader, type CopyReaderParts } from "../../../src/consistency/copies/copy-reader.ts";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import { keyText } from "../../../src/domain/keys.ts";
import { encodeMemory, putChange } from "../../../src/domain/memory.ts";
import { MemoryValidator } from "../../../src/domain/schema.ts";
import { InMemoryProjection, type Interruption } from "../../support/in-memory-projection.ts";

/** Goal: a store that fails costs its own copy and no other one. Method: stores in maps, one of which fails as each case says. */

const KEY = { namespace: "default", memoryId: "m1" };
const DOCUMENT = { content: "words", memoryType: "note", importance: 0.5, metadata: {}, privacy: "full" as const };
const CHANGE = putChange(encodeMemory(KEY, DOCUMENT, new Float32Array([1, 0])), 1, {
  versionVector: {},
  modifiedAt: 1,
});
const signal = () => new AbortController().signal;

async function readerWith(interrupt: Interruption, parts: Partial<CopyReaderParts> = {}): Promise<CopyReader> {
  const faiss = new InMemoryProjection("faiss");
  await faiss.publish([CHANGE], signal());
  return new CopyReader({
    ledger: {
      readChanges: async () => new Map([[keyText(KEY), CHANGE]]),
      readErasedKeys: async () => [],
    },
    projections: [new InMemoryProjection("redis", interrupt), faiss],
    validator: new MemoryValidator({ dimension: 2 }),
    now: () => 2,
    ...parts,
  });
}

test("a store that is away is unanswered, and the others are shown", async () => {
  const reader = await readerWith(async () => {
    throw new StoreUnavailableError("redis", "connect ECONNREFUSED 127.0.0.1:6379");
  });
  const { copies } = await reader.read(KEY, {}, signal());
  expect(copies.map(({ store, state }) => [store, state])).toEqual([
    ["postgres", "live"],
    ["redis", "unanswered"],
    ["faiss", "live"],
  ]);
  expect(copies[1]).toMatchObject({ drift: null, version: null, error: { code: "STORE_UNAVAILABLE" } });
});

test("a store that hangs is given up on, long before the call's own deadline", async () => {
  vi.useFakeTimers();
  try {
    let begun: () => void = () => undefined;
    const hangs = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const reader = await readerWith(async () => {
      begun();
      await new Promise(() => undefined);
    });
    const reading = reader.read(KEY, {}, signal());
    await hangs;
    await vi.advanceTimersByTimeAsync(5_000);
    const { copies } = await reading;
    expect(copies.map(({ state }) => state)).toEqual(["live", "unanswered", "live"]);
  } finally {
    vi.useRealTimers();
  }
});

test("a defect of a store is no answer of it: the call fails", async () => {
  const reader = await readerWith(async () => {
    throw new TypeError("a defect");
  });
  await expect(reader.read(KEY, {}, signal())).rejects.toThrow("a defect");
});

test("its caller is told of the bytes, and may end the call by them", async () => {
  const reader = await readerWith(async () => undefined);
  const told: number[] = [];
  await reader.read(KEY, { onBytes: (bytes) => void told.push(bytes) }, signal());
  expect(told).toEqual([CHANGE.documentJson.length + 8 + 8]);
  const refuse = () => {
    throw new RangeError("too large");
  };
  await expect(reader.read(KEY, { onBytes: refuse }, signal())).rejects.toThrow("too large");
});
