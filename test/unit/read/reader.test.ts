import { expect, test } from "vitest";
import type { MemoryKey } from "../../../src/domain/keys.ts";
import { encodeMemory, type MemoryChange } from "../../../src/domain/memory.ts";
import type { LedgerStore } from "../../../src/ledger/ledger.ts";
import { DisprovedEntries } from "../../../src/read/disproved-entries.ts";
import { Reader } from "../../../src/read/reader.ts";
import { VersionFloors } from "../../../src/read/version-floors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { StoreGate } from "../../../src/write/store-gate.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

const { signal } = new AbortController();
const KEY: MemoryKey = { namespace: "default", memoryId: "m" };

function version(number: number, content: string): MemoryChange {
  const document = { content, memoryType: "e", importance: 0.5, metadata: {}, privacy: "full" as const };
  const facts = { createdAt: 1, modifiedAt: number, digest: "00", embeddingModel: null, expiresAt: null };
  return { kind: "put", ...encodeMemory(KEY, document, null), version: number, versionVector: { n: number }, ...facts };
}

/** A cache that is trusted until it is asked: its link breaks, and another server answers. */
class MovedCache extends InMemoryProjection {
  trusted = true;

  override async read(...parts: Parameters<InMemoryProjection["read"]>) {
    this.trusted = false;
    return await super.read(...parts);
  }
}

test("what a cache answers is not shown where its link broke while it was asked", async () => {
  const cache = new MovedCache("redis");
  await cache.publish([version(1, "older")], signal);
  const ledger = { readChanges: async () => new Map([["default\u0000m", version(2, "current")]]) };
  const reader = new Reader({
    ledger: ledger as unknown as LedgerStore,
    cache: new StoreGate(cache),
    isCacheTrusted: () => cache.trusted,
    floors: new VersionFloors(),
    disproved: new DisprovedEntries(),
    log: silentLog,
    cacheTimeoutMs: 1_000,
    now: Date.now,
  });
  expect(await reader.getOne(KEY, signal)).toMatchObject({ content: "current", source: "postgres" });
  cache.trusted = true;
  expect(await reader.get([KEY], signal)).toMatchObject([{ content: "current", source: "postgres" }]);
});
