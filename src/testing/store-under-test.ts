import type { MemoryChange, PutChange } from "../domain/memory.ts";
import type { Projection, ScanOptions, StoredEntry } from "../stores/projection.ts";
import { DIMENSION, type PutFields, put } from "./changes.ts";

/** An empty projection, opened for one conformance case. */
export interface OpenedStore {
  readonly projection: Projection;
  /** Whether the store keeps vectors bit for bit instead of normalizing them to length 1. @default true */
  readonly exactVectors?: boolean;
  /** Closes the store. A store shared by several cases may stay open. */
  close(): Promise<void>;
}

/** Opens an empty projection. Called once per case, never concurrently. */
export type OpenStore = () => Promise<OpenedStore>;

/** Milliseconds that one call of a case may take. */
const CALL_TIMEOUT_MS = 20_000;
const PAGES_MAX = 10_000;

/** The deadline of one call. */
export const soon = (): AbortSignal => AbortSignal.timeout(CALL_TIMEOUT_MS);

/** The projection of a case, with helpers for the cases. Its own traits say which parts of a memory it holds. */
export class StoreUnderTest {
  readonly projection: Projection;
  readonly exactVectors: boolean;

  constructor({ projection, exactVectors = true }: OpenedStore) {
    this.projection = projection;
    this.exactVectors = exactVectors;
  }

  get holdsDocuments(): boolean {
    return this.projection.traits.holds.has("documents");
  }

  get holdsVectors(): boolean {
    return this.projection.traits.holds.has("vectors");
  }

  /** Numbers per vector that the store accepts. */
  get dimension(): number {
    return this.projection.traits.vectorShape?.dimension ?? DIMENSION;
  }

  /** A change whose vector fits the store. */
  put(memoryId: string, version: number, fields: PutFields = {}): PutChange {
    const { vectorShape } = this.projection.traits;
    const model = vectorShape?.model;
    return put(memoryId, version, { dimension: this.dimension, ...(model && { embeddingModel: model }), ...fields });
  }

  async publish(...changes: readonly MemoryChange[]): Promise<("applied" | "stale")[]> {
    return await this.projection.publish(changes, soon());
  }

  async read(memoryId: string, namespace = "default", data = false): Promise<StoredEntry | null> {
    const [entry] = await this.projection.read([{ namespace, memoryId }], { data }, soon());
    return entry ?? null;
  }

  async count(): Promise<number> {
    return await this.projection.count(soon());
  }

  /** All entries of a scan. @param between runs after each page. */
  async scanAll(options: ScanOptions, between?: () => Promise<unknown>): Promise<StoredEntry[]> {
    const entries: StoredEntry[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page = await this.projection.scan(cursor, options, soon());
      entries.push(...page.entries);
      cursor = page.cursor;
      if (++pages > PAGES_MAX) throw new Error(`the scan does not end: ${PAGES_MAX} pages were read`);
      await between?.();
    } while (cursor !== null);
    return entries;
  }
}

/** Cases about one part of the contract, by name. */
export interface CaseGroup {
  readonly name: string;
  readonly cases: Readonly<Record<string, (store: StoreUnderTest) => Promise<void>>>;
}
