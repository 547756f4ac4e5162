import { afterAll, beforeAll, beforeEach } from "vitest";
import { keyText, type MemoryKey } from "../../src/domain/keys.ts";
import { encodeMemory, type MemoryDocument } from "../../src/domain/memory.ts";
import type { TakenKey } from "../../src/ledger/idempotency-statements.ts";
import type { LedgerStore } from "../../src/ledger/ledger.ts";
import type { Claiming, LedgerTransaction } from "../../src/ledger/ledger-transaction.ts";
import type { VersionWrite, WriteAnswer } from "../../src/ledger/write-statements.ts";
import { decide } from "../../src/write/plan.ts";
import { unitVector } from "../support/memories.ts";
import { STORE_VERSIONS } from "../support/store-traits.ts";

/** Two nodes' views of one ledger, and what no node can do: damage it. */
export interface OpenLedger {
  readonly one: LedgerStore;
  readonly two: LedgerStore;
  /** Takes the document (null: takes it away) or the vector of a memory's current version out of order. */
  damage(key: MemoryKey, what: "document" | "embedding" | "no document" | "stray document"): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** What to write of one memory: content null deletes it. */
export interface Item {
  memoryId: string;
  namespace?: string;
  content: string | null;
  embedding?: Float32Array | null;
  expiresAt?: string;
}

export interface WriteSettings {
  transactionId?: string;
  claiming?: Claiming;
}

export const soon = (): AbortSignal => AbortSignal.timeout(60_000);
export const keyOf = (memoryId: string, namespace = "default"): MemoryKey => ({ namespace, memoryId });

let lastTransaction = 0;

export class LedgerUnderTest {
  #open: OpenLedger | null = null;

  constructor(open: () => Promise<OpenLedger>) {
    beforeAll(async () => {
      this.#open = await open();
    });
    beforeEach(async () => {
      await this.current.clear();
    });
    afterAll(async () => {
      await this.#open?.close();
    });
  }

  get current(): OpenLedger {
    if (this.#open === null) throw new Error("the ledger opens before the first test");
    return this.#open;
  }

  get one(): LedgerStore {
    return this.current.one;
  }

  get two(): LedgerStore {
    return this.current.two;
  }

  /** Begins, decides and writes; the caller commits. @returns the rows that were to be written. */
  async prepare(
    ledger: LedgerStore,
    transaction: LedgerTransaction,
    items: readonly Item[],
    settings: WriteSettings = {},
  ): Promise<{ writes: VersionWrite[]; written: WriteAnswer; transactionId: string; taken: TakenKey[] | null }> {
    const keys = items.map(({ memoryId, namespace }) => keyOf(memoryId, namespace));
    const { claiming } = settings;
    const { locked, now, isKeyTaken } = await transaction.begin(keys, claiming);
    const transactionId = settings.transactionId ?? `T${String(++lastTransaction).padStart(6, "0")}`;
    if (claiming !== undefined && isKeyTaken) {
      const taken = await transaction.takenKeys(claiming);
      await transaction.rollback();
      return { writes: [], written: "raced", transactionId, taken };
    }
    const writes = items.flatMap((item, place) => {
      const key = keys[place]!;
      const intent = { key, memory: encoded(key, item), expectedVersion: null, modifiedAt: null };
      const decision = decide(intent, locked.get(keyText(key)), now, ledger.nodeId);
      return decision.action === "write" ? [decision.write] : [];
    });
    const written = await transaction.write(writes, {
      transactionId,
      nodeId: ledger.nodeId,
      storeVersions: STORE_VERSIONS,
    });
    return { writes, written, transactionId, taken: null };
  }

  /** Writes memories in one transaction and commits it. */
  async write(
    items: readonly Item[],
    settings: WriteSettings = {},
    ledger = this.one,
  ): Promise<{ writes: VersionWrite[]; transactionId: string }> {
    return await ledger.transaction(soon(), async (transaction) => {
      const prepared = await this.prepare(ledger, transaction, items, settings);
      await transaction.commit();
      return prepared;
    });
  }

  /** Writes one memory and confirms it, as a write goes when all is well. */
  async put(memoryId: string, content = "text", fields: Partial<Item> = {}): Promise<string> {
    const { transactionId } = await this.write([{ memoryId, content, ...fields }]);
    await this.one.markPublished([transactionId], soon());
    return transactionId;
  }
}

function encoded(key: MemoryKey, item: Item) {
  if (item.content === null) return null;
  const document: MemoryDocument = {
    content: item.content,
    memoryType: "test",
    importance: 0.5,
    metadata: {},
    privacy: "full",
    ...(item.expiresAt && { expiresAt: item.expiresAt }),
  };
  return encodeMemory(
    key,
    document,
    item.embedding === undefined ? unitVector(item.content.length, 4) : item.embedding,
  );
}
