import { randomUUID } from "node:crypto";
import { type ListKeyOptions, RecordManager, type UpdateOptions } from "@langchain/core/indexing";
import type { Filter, MemoryInput, MemorySynchronizer } from "../../index.ts";

export interface MnemosyncRecordManagerOptions {
  /** The manager does not close it. */
  readonly sync: MemorySynchronizer;
  /**
   * The mnemosync namespace of the records, one per vector store; not that of the documents, whose ids the records have.
   * @default "langchain-records"
   */
  readonly namespace?: string | undefined;
}

interface RecordMetadata {
  /** The source that the document comes from. */
  readonly group: string | null;
  /** Of the update: without it an update would change nothing, and leave the time as it was. */
  readonly update: string;
}

const RECORD = "record";
const CLOCK = "clock";
/** The id of the memory whose time is the clock's. Keys of documents are UUIDs. */
const CLOCK_ID = "mnemosync-clock";

const GET_MANY_MAX = 1_000;
const DELETES_AT_ONCE = 500;
/** Values of one `in` of the filter language. */
const GROUPS_MAX = 1_000;

/**
 * LangChain's record manager on a synchronizer: what `index()` has written, and when. A record is a memory; its time is that of the
 * ledger's clock, so that several machines may index at the same time.
 */
export class MnemosyncRecordManager extends RecordManager {
  override lc_namespace = ["mnemosync", "recordmanagers"];
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string;

  constructor(options: MnemosyncRecordManagerOptions) {
    super();
    this.#sync = options.sync;
    this.#namespace = options.namespace ?? "langchain-records";
  }

  /** Nothing is to be made: the synchronizer has its schema. */
  async createSchema(): Promise<void> {}

  /** Milliseconds since 1970 of the ledger's clock, which is read by a write. */
  async getTime(): Promise<number> {
    const namespace = this.#namespace;
    const fields = { ...this.#memory(CLOCK, { group: null, update: randomUUID() }) };
    await this.#sync.syncMemory(CLOCK_ID, fields);
    // From the ledger: an answer of the cache may be of the time before.
    const [version] = await this.#sync.history(CLOCK_ID, { namespace, limit: 1 });
    if (version === undefined) throw new Error("the clock of the record manager was deleted while it was read");
    return version.modifiedAt;
  }

  /** @throws {RangeError} The options do not fit the keys. @throws The ledger's clock stands before `timeAtLeast`. */
  async update(keys: string[], { groupIds, timeAtLeast }: UpdateOptions = {}): Promise<void> {
    if (groupIds !== undefined && groupIds.length !== keys.length) {
      throw new RangeError(`${groupIds.length} groups were given for ${keys.length} keys: expected one each, or none`);
    }
    if (keys.length === 0) return;
    if (timeAtLeast !== undefined && (await this.getTime()) < timeAtLeast) {
      throw new Error(`the clock of the ledger stands before ${timeAtLeast}: the database went back, so index anew`);
    }
    // Without groups those that the records have stay.
    const groups = groupIds ?? (await this.#groupsOf(keys));
    const update = randomUUID();
    const memories = new Map(
      keys.map((key, index): [string, MemoryInput] => {
        const metadata = { group: groups[index] ?? null, update };
        return [key, { memoryId: key, ...this.#memory(RECORD, metadata) }];
      }),
    );
    const outcomes = await this.#sync.syncBatch(memories.values());
    const failed = outcomes.flatMap(({ error }) => error ?? []);
    if (failed.length > 0)
      throw new AggregateError(failed, `${failed.length} records were not updated: ${failed[0]?.message}`);
  }

  async exists(keys: string[]): Promise<boolean[]> {
    return (await this.#read(keys)).map((memory) => memory !== null);
  }

  async listKeys({ before, after, groupIds, limit }: ListKeyOptions = {}): Promise<string[]> {
    const times = { ...(before !== undefined && { lt: before }), ...(after !== undefined && { gt: after }) };
    const where: Filter = {
      memoryType: { eq: RECORD },
      ...(Object.keys(times).length > 0 && { modifiedAt: times }),
      ...(groupIds !== undefined && { and: [{ or: groupTests(groupIds) }] }),
    };
    if (groupIds?.length === 0) return [];
    const keys: string[] = [];
    for await (const { memoryId } of this.#sync.listAll({ namespace: this.#namespace, where, limit: GET_MANY_MAX })) {
      if (limit !== undefined && keys.length >= limit) break;
      keys.push(memoryId);
    }
    return keys;
  }

  async deleteKeys(keys: string[]): Promise<void> {
    const namespace = this.#namespace;
    for (let from = 0; from < keys.length; from += DELETES_AT_ONCE) {
      const some = keys.slice(from, from + DELETES_AT_ONCE);
      await Promise.all(some.map((key) => this.#sync.delete(key, { namespace }))); // They share transactions.
    }
  }

  async #groupsOf(keys: readonly string[]): Promise<(string | null)[]> {
    return (await this.#read(keys)).map((memory) => (memory?.metadata.group as string | null | undefined) ?? null);
  }

  async #read(keys: readonly string[]) {
    const pages: Awaited<ReturnType<MemorySynchronizer["getMany"]>>[] = [];
    for (let from = 0; from < keys.length; from += GET_MANY_MAX) {
      const page = keys.slice(from, from + GET_MANY_MAX);
      // A record that another machine has deleted, and the cache still has, would keep its document from being written again.
      pages.push(await this.#sync.getMany(page, { namespace: this.#namespace, fromLedger: true }));
    }
    return pages.flat();
  }

  /** Local to the deployment: a replica or an edge has no use for it. */
  #memory(memoryType: string, metadata: RecordMetadata) {
    return {
      namespace: this.#namespace,
      content: memoryType,
      memoryType,
      metadata: { ...metadata },
      privacy: "local_only" as const,
    };
  }
}

function groupTests(groupIds: readonly (string | null)[]): Filter[] {
  const tests: Filter[] = [];
  for (let from = 0; from < groupIds.length; from += GROUPS_MAX) {
    tests.push({ "metadata.group": { in: groupIds.slice(from, from + GROUPS_MAX) } });
  }
  return tests;
}
