import type { MemoryChange, PutChange } from "../../domain/memory.ts";
import type { MemoryKey } from "../../index.ts";
import type { Injection, Take } from "./injection.ts";
import type { Past } from "./past.ts";
import type { DemoWorld } from "./world.ts";

/** A key, and the content that the index gets under it; null: none. */
type Damage = readonly [key: MemoryKey, change: MemoryChange | null];

/** Damages the vector index through its own handle, with the one call that asks no questions. */
export async function vectorDrift(world: DemoWorld, past: Past, take: Take, signal: AbortSignal): Promise<Injection[]> {
  const { vectorIndex } = world;
  const injections: Injection[] = [];
  const inject = async (kind: Injection["kind"], what: string, damages: readonly Damage[]): Promise<void> => {
    const found = await vectorIndex.read(
      damages.map(([key]) => key),
      { data: false },
      signal,
    );
    const replacements = damages.map(([key, change], index) => ({ key, change, found: found[index] ?? null }));
    const answers = await vectorIndex.replace(replacements, signal);
    if (answers.includes("moved")) throw new Error(`the index could not be damaged: ${what}`);
    injections.push({ store: "faiss", kind, what, memoryIds: damages.map(([{ memoryId }]) => memoryId) });
  };

  await inject(
    "missing",
    "vectors dropped",
    take(12).map((key) => [key, null]),
  );
  const victims = await puts(world, take(5), signal);
  const [other] = await puts(world, take(1), signal);
  await inject(
    "corrupt",
    "vector of another memory under the same id and version",
    victims.map((change) => [keyOf(change), { ...change, embedding: other?.embedding ?? null }]),
  );
  await inject(
    "stale",
    "first version put back",
    past.changed.slice(4).map(({ key, change }) => [key, change]),
  );
  await inject(
    "resurrected",
    "vectors of deleted memories put back",
    past.deleted.slice(2).map(({ key, change }) => [key, change]),
  );
  const strangers = ["made-up-4", "made-up-5"].map((memoryId) => ({ namespace: "default", memoryId }));
  const pattern = past.changed[0]?.change as PutChange;
  await inject(
    "orphan",
    "vectors of memories that do not exist",
    strangers.map((key) => [key, { ...pattern, ...key }]),
  );
  return injections;
}

async function puts({ ledger }: DemoWorld, keys: readonly MemoryKey[], signal: AbortSignal): Promise<PutChange[]> {
  const changes = await ledger.currentChanges(keys, signal);
  return changes.filter((change) => change?.kind === "put");
}

function keyOf({ namespace, memoryId }: MemoryKey): MemoryKey {
  return { namespace, memoryId };
}
