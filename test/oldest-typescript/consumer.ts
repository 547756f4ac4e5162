/** A user's program, compiled with the oldest TypeScript that the types promise to work with. It is never run. */
import type { Redis } from "ioredis";
import {
  ConfigurationError,
  type Memory,
  type MemoryInput,
  MemorySynchronizer,
  MnemosyncError,
  type SearchResult,
  type SyncOutcome,
  VersionConflictError,
} from "mnemosync";
import type { Projection } from "mnemosync/stores";
import type { Sql } from "postgres";

declare function show(...values: unknown[]): void;

interface Profile {
  user: { id: number; name?: string };
  tags: string[];
}

export async function typed(): Promise<void> {
  await using sync = await MemorySynchronizer.connect<Profile>({
    postgresUrl: "postgres://127.0.0.1/x",
    redisUrl: "none",
    batchSize: 50,
    faiss: { dimension: 8, directory: "/tmp/x" },
    stores: undefined,
  });
  const metadata = { user: { id: 1 }, tags: ["a"] };
  const outcome: SyncOutcome = await sync.syncMemory("m", { content: "c", memoryType: "t", importance: 1, metadata });
  const memory: Memory<Profile> | null = await sync.get("m");
  const id: number | undefined = memory?.metadata.user.id;
  const found: SearchResult<Profile>[] = await sync.search([1, 2], {
    k: 3,
    filter: { metadata: { user: { name: undefined } } },
  });
  await sync.search("text", { filter: ({ metadata: { tags } }) => tags.includes("a") });
  const batch: MemoryInput<Profile>[] = [{ memoryId: "n", content: "c", memoryType: "t" }];
  await sync.syncBatch(batch, { onProgress: ({ done }) => show(done) });
  for await (const event of sync.changes()) show(event);
  show(outcome.stores.postgres, id, found.length, await sync.metrics.text(), sync.metrics.contentType);
  show(sync.metrics.registry.getMetricsAsArray().length, (await sync.status()).services.sync?.state);
  // @ts-expect-error Metadata of another type.
  await sync.syncMemory("m", { content: "c", memoryType: "t", metadata: { user: "me" } });
  // @ts-expect-error An unknown option.
  await sync.get("m", { timeout: 3 });
}

export async function untyped(clients: { sql: Sql; redis: Redis }, store: Projection): Promise<void> {
  const sync = await MemorySynchronizer.withClients(clients, { stores: [store], syncIntervalMs: undefined });
  try {
    await sync.syncMemory("m", { content: "c", memoryType: "t", metadata: { any: ["json", 1, null] } });
    await sync.rollback("m", 1, { expectedVersion: 2 });
  } catch (error) {
    if (error instanceof VersionConflictError) show(error.foundVersion, error.current?.content);
    if (error instanceof ConfigurationError) show(error.code);
    if (error instanceof MnemosyncError) show(error.retryable);
  } finally {
    await sync.close();
  }
  // @ts-expect-error JSON has no Date.
  await sync.syncMemory("m", { content: "c", memoryType: "t", metadata: { at: new Date() } });
  // @ts-expect-error There is no public constructor.
  new MemorySynchronizer(clients);
  // @ts-expect-error There is no hook for tests.
  await MemorySynchronizer.connect({ postgresUrl: "", redisUrl: "", onStep: () => undefined });
}
