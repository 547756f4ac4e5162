import { expect } from "vitest";
import type { ToldChange } from "./told-change.ts";
import type { World } from "./world.ts";

const NAMESPACES = ["a", "b", "c"];

/**
 * Writes `changes` versions by several writers at a time: new memories, other contents, deletes, and some that become
 * private, while transactions that write nothing hold back the feed's horizon again and again.
 */
export async function writeUnderLoad(world: World, changes: number, random: () => number): Promise<void> {
  const holding = new AbortController();
  const holder = holdHorizon(world, holding.signal);
  let left = changes;
  const writer = async (): Promise<void> => {
    while (left > 0) {
      const size = Math.min(left, 1 + Math.floor(random() * 40));
      left -= size;
      const memories = Array.from({ length: size }, () => {
        const number = Math.floor(random() * changes * 0.8);
        const namespace = NAMESPACES[number % NAMESPACES.length] as string;
        const privacy = random() < 0.05 ? ("local_only" as const) : ("full" as const);
        return { ...world.memory(number, { content: `content ${random()}`, privacy }), namespace };
      });
      if (random() < 0.15) {
        const [first] = memories;
        if (first !== undefined) await world.sync.delete(first.memoryId, { namespace: first.namespace });
      }
      const outcomes = await world.sync.syncBatch(memories);
      const bad = outcomes.find(({ status }) => status === "failed");
      if (bad !== undefined) throw new Error(`a write of the load failed: ${bad.error}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: 4 }, writer));
  } finally {
    holding.abort();
    await holder;
  }
}

async function holdHorizon(world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const older = await world.sql.reserve();
    try {
      await older`begin`;
      await older`select pg_current_xact_id(), pg_sleep(0.05)`;
      await older`commit`;
    } finally {
      older.release();
    }
  }
}

interface Truth {
  key: string;
  version: number;
  content: string | null;
  privacy: string | null;
  is_private_only: boolean;
}

/** Each memory's current version, as a reader outside of the deployment may know it. */
async function readTruth(world: World, namespaces: readonly string[]): Promise<Truth[]> {
  return await world.sql<Truth[]>`
    select v.namespace || '/' || v.memory_id as key, v.version::int as version, m.document ->> 'content' as content,
           m.document ->> 'privacy' as privacy,
           coalesce(m.document ->> 'privacy' = 'local_only', true) and not exists (
             select from mnemosync.memory_history h
             where h.namespace = v.namespace and h.memory_id = v.memory_id and h.document ->> 'privacy' = 'full'
           ) as is_private_only
    from mnemosync.memory_versions v left join mnemosync.memories m using (namespace, memory_id)
    where v.namespace = any (${[...namespaces]})`;
}

/** Whether the reader was told each memory's last version. */
export async function hasEverything(
  world: World,
  told: readonly ToldChange[],
  namespaces: readonly string[],
): Promise<boolean> {
  const last = new Map(told.map(({ key, version }) => [key, version]));
  const truth = await readTruth(world, namespaces);
  return truth.every(({ key, version, is_private_only }) => is_private_only || last.get(key) === version);
}

/** Each version once, in order per memory; and what the reader made of it is what the ledger holds, as far as it may go out. */
export async function expectGapFree(
  world: World,
  told: readonly ToldChange[],
  namespaces: readonly string[],
): Promise<void> {
  const versions = new Map<string, number>();
  const known = new Map<string, ToldChange>();
  for (const change of told) {
    expect(change.version, `${change.key} after version ${versions.get(change.key)}`).toBeGreaterThan(
      versions.get(change.key) ?? 0,
    );
    versions.set(change.key, change.version);
    known.set(change.key, change);
  }
  const truth = await readTruth(world, namespaces);
  expect(truth.length).toBeGreaterThan(0);
  for (const { key, version, content, privacy, is_private_only } of truth) {
    if (is_private_only) {
      expect(known.get(key), `${key} was never anything but private`).toBeUndefined();
      continue;
    }
    const kind = content === null ? "deleted" : privacy === "local_only" ? "withdrawn" : "put";
    expect(known.get(key)).toMatchObject({ kind, version, content: kind === "put" ? content : null });
    known.delete(key);
  }
  expect([...known.keys()], "memories that the ledger does not have").toEqual([]);
}

/** Every version that may go out was told as it was, not only the last one of each memory. */
export async function expectEachVersion(
  world: World,
  told: readonly ToldChange[],
  namespaces: readonly string[],
): Promise<void> {
  const kept = await world.sql<{ version: string }[]>`
    select namespace || '/' || memory_id || '@' || version as version from mnemosync.memory_bodies
    where namespace = any (${[...namespaces]}) and document ->> 'privacy' = 'full' order by 1`;
  const put = told.filter(({ kind }) => kind === "put").map(({ key, version }) => `${key}@${version}`);
  expect(kept.length).toBeGreaterThan(namespaces.length);
  expect(put.sort()).toEqual(kept.map(({ version }) => version).sort());
}
