import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeSource, FeedCursor, FeedPage } from "../../../src/domain/change-source.ts";
import { entryDigest } from "../../../src/domain/checksum.ts";
import { keyText, type MemoryKey } from "../../../src/domain/keys.ts";
import { encodeMemory, type MemoryChange, type PutChange, putChange } from "../../../src/domain/memory.ts";
import type { Log } from "../../../src/runtime/log.ts";

/** A ledger's feed in memory. `hidden` transactions are committed, and behind the horizon of an older one. */
export class MemorySource implements ChangeSource {
  readonly #changes = new Map<string, { change: MemoryChange; seq: number }>();
  readonly hidden = new Set<string>();
  currentEpoch = "epoch-1";
  /** Thrown by every call while set. */
  failure: Error | null = null;
  /** Memories whose data was fetched. */
  fetched = 0;
  #seq = 0;

  commit(...changes: MemoryChange[]): void {
    for (const change of changes) this.#changes.set(keyText(change), { change, seq: ++this.#seq });
  }

  async epoch(): Promise<string> {
    this.#check();
    return this.currentEpoch;
  }

  async changesAfter(cursor: FeedCursor, limit: number): Promise<FeedPage> {
    this.#check();
    const page = [...this.#changes]
      .filter(([text, { seq }]) => seq > Number(cursor.seq) && !this.hidden.has(text))
      .map(([, item]) => item)
      .sort((a, b) => a.seq - b.seq)
      .slice(0, limit);
    const last = page.at(-1);
    return {
      headers: page.map(({ change: { namespace, memoryId, version, kind } }) => ({
        namespace,
        memoryId,
        version,
        deleted: kind === "tombstone",
      })),
      cursor: last === undefined ? cursor : { xid: "1", seq: String(last.seq) },
    };
  }

  async currentChanges(keys: readonly MemoryKey[]): Promise<(MemoryChange | null)[]> {
    this.#check();
    this.fetched += keys.length;
    return keys.map((key) => this.#changes.get(keyText(key))?.change ?? null);
  }

  #check(): void {
    if (this.failure !== null) throw this.failure;
  }
}

/** A deterministic stream of numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function randomVector(random: () => number, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, () => random() * 2 - 1);
}

/** Version `version` of a memory; `embedding` null makes one without a vector. */
export function put(
  memoryId: string,
  version: number,
  embedding: Float32Array | null,
  namespace = "default",
): PutChange {
  const content = `${memoryId} at ${version}`;
  const document = { content, memoryType: "test", importance: 0.5, metadata: {}, privacy: "full" as const };
  return putChange(encodeMemory({ namespace, memoryId }, document, embedding), version, {
    versionVector: {},
    modifiedAt: 1,
  });
}

export function tombstone(memoryId: string, version: number, namespace = "default"): MemoryChange {
  return { kind: "tombstone", namespace, memoryId, version, modifiedAt: 1 };
}

export function digestOf(change: PutChange): string {
  return entryDigest(change, change.version, change.checksum);
}

/** A log that remembers. */
export function recordingLog(): Log & { readonly events: { level: string; event: string; fields: object }[] } {
  const events: { level: string; event: string; fields: object }[] = [];
  const record = (level: string) => (fields: object, event: string) => void events.push({ level, event, fields });
  return { events, debug: record("debug"), info: record("info"), warn: record("warn"), error: record("error") };
}

/** A new empty folder and what removes it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "faiss-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
