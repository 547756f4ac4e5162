import { expect } from "vitest";
import type { ListScope } from "../../src/read/list-cursor.ts";
import { LIST_ORDERS } from "../../src/read/list-options.ts";
import { IDS, MergedModel, play, type Reachable, type WorldEvent } from "./merged-model.ts";
import { byScore, compare, scoreOf, sortOf } from "./merged-sides.ts";
import { MergedWorld, NAMESPACE } from "./merged-world.ts";

/** One random state of two sides, and how it is read. */
export interface MergedCase {
  readonly events: readonly WorldEvent[];
  readonly archive: boolean;
  /** Tombstones that are pruned between the replica's answer and the primary's. */
  readonly prunedMeanwhile: readonly string[];
  /** Memories whose time passes between the primary's count and what it says of the replica's rows. */
  readonly expiredMeanwhile: readonly string[];
  /** Whether the replica answers, page by page; then as the last one says. */
  readonly reachable: readonly Reachable[];
  readonly limit: number;
  readonly pageMax: number;
  readonly stepRows: number;
  readonly contentsMax: number;
  readonly order: number;
  readonly k: number;
}

/** What the truth says of a memory: the text that may be shown, and whether it must be shown where both sides are current. */
interface Shown {
  readonly text: string;
  readonly isPrimary: boolean;
}

function truthOf(world: MergedWorld, archive: boolean): Map<string, Shown> {
  const shown = new Map<string, Shown>();
  for (const [memoryId, { content, endedBy, isLost }] of world.truth) {
    if (content === null || (endedBy !== null && endedBy !== "expired")) continue;
    const isAlive = endedBy === null && !content.isExpired;
    if (isAlive && !isLost) shown.set(memoryId, { text: content.text, isPrimary: true });
    else if ((isAlive || archive) && content.privacy !== "local_only") {
      shown.set(memoryId, { text: content.privacy === "redacted" ? "" : content.text, isPrimary: false });
    }
  }
  return shown;
}

/** Holds all reads of one state against the truth. */
export async function checkMergedReads(given: MergedCase): Promise<void> {
  const world = new MergedWorld();
  for (const [number, step] of given.events.entries()) play(world, step, number);
  const model = new MergedModel(world, { archive: given.archive, readsWhenPrimaryDown: false });
  model.pageMax = given.pageMax;
  model.stepRows = given.stepRows;
  model.replica.contentsMax = given.contentsMax;
  const truth = truthOf(world, given.archive);
  const isCurrent = model.isCurrent && given.prunedMeanwhile.length === 0;
  const isReplicated = (memoryId: string): boolean =>
    !world.refused.has(memoryId) &&
    !world.uncertain.has(memoryId) &&
    world.replicaVersions.get(memoryId)?.some(({ content }) => content !== null) === true;
  const wanted = (memoryId: string): boolean =>
    truth.get(memoryId)?.isPrimary === true || (isCurrent && truth.has(memoryId) && isReplicated(memoryId));
  const meanwhile = (): void => {
    for (const memoryId of given.prunedMeanwhile) world.prune(memoryId);
  };
  const holds = (memory: { memoryId: string; content: string } | null, memoryId = memory?.memoryId ?? ""): void => {
    if (world.uncertain.has(memoryId)) {
      // What it was when it expired, and with the archive alone.
      const told = (world.replicaVersions.get(memoryId) ?? []).map((version) => version.content?.text);
      if (memory !== null) expect(given.archive && told.includes(memory.content), `${memoryId} is shown`).toBe(true);
      return;
    }
    // Nothing that was deleted, withdrawn or erased; nothing older than the last content; nothing that was withheld.
    if (memory !== null) expect({ [memoryId]: memory.content }).toEqual({ [memoryId]: truth.get(memoryId)?.text });
    else expect(wanted(memoryId), `${memoryId} is missing`).toBe(false);
  };

  model.lookup.meanwhile = meanwhile;
  const got = await model.get(IDS);
  for (const [at, memory] of got.memories.entries()) holds(memory, IDS[at]);

  model.lookup.meanwhile = meanwhile;
  const found = await model.search(given.k);
  const results = found.results;
  for (const { memory } of results) holds(memory);
  expect(results.map(({ score }) => score)).toEqual(results.map(({ score }) => score).sort((a, b) => b - a));
  expect(new Set(results.map(({ memory }) => memory.memoryId)).size).toBe(results.length);
  const best = IDS.filter(wanted)
    .map((memoryId) => ({ memoryId, score: scoreOf(memoryId) }))
    .sort(byScore)
    .slice(0, given.k);
  const worst = results.length < given.k ? Number.NEGATIVE_INFINITY : (results.at(-1)?.score ?? 0);
  for (const { memoryId, score } of best) {
    if (score > worst) expect(results.map(({ memory }) => memory.memoryId)).toContain(memoryId);
  }

  for (const memoryId of IDS) {
    const own = (world.primaryVersions.get(memoryId) ?? []).map(({ version }) => version);
    const { versions } = await model.history(memoryId);
    const numbers = versions.map(({ version }) => version);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => b - a));
    expect(numbers).toEqual(expect.arrayContaining(own));
    for (const { version, document } of versions) {
      const isUncertain = world.uncertain.has(memoryId) || version <= (world.uncertainThrough.get(memoryId) ?? 0);
      if (own.includes(version) || document === null || isUncertain) continue;
      expect(version, `version ${version} of ${memoryId} was ended for good`).toBeGreaterThan(
        world.truth.get(memoryId)?.goneThrough ?? 0,
      );
      expect(truth.has(memoryId) || world.primary.get(memoryId)?.endedBy === null).toBe(true);
    }
  }

  await checkPages(model, given, { holds, wanted });

  model.reachable = "ok";
  model.lookup.meanwhile = () => {
    for (const memoryId of given.expiredMeanwhile) world.passTime(memoryId);
  };
  const counted = await model.count();
  if (counted.sources.replica === "ok" && isCurrent && world.uncertain.size === 0)
    expect(counted.count).toBe(IDS.filter(wanted).length);
  expect(counted.count).toBeLessThanOrEqual(truth.size + world.uncertain.size);
}

/** Reads a list to its end. The replica comes and goes between the pages. */
async function checkPages(
  model: MergedModel,
  { reachable, limit, order: at }: MergedCase,
  {
    holds,
    wanted,
  }: {
    holds: (memory: { memoryId: string; content: string }) => void;
    wanted: (memoryId: string) => boolean;
  },
): Promise<void> {
  const order = LIST_ORDERS.filter((name) => /^(memoryId|modifiedAt)/.test(name))[at % 4] ?? "memoryId";
  const scope: ListScope = { namespace: NAMESPACE, condition: { kind: "all", of: [] }, order };
  const shown: { memoryId: string; sort: string | null }[] = [];
  let cursor: string | null = null;
  let wasAlways = true;
  let last = "ok";
  for (let page = 0; page === 0 || cursor !== null; page++) {
    expect(page, "the list has no end").toBeLessThan(60);
    model.reachable = reachable[Math.min(page, reachable.length - 1)] ?? "ok";
    const { memories, sources, cursor: next } = await model.page(scope, cursor, limit);
    expect(memories.length).toBeLessThanOrEqual(limit);
    for (const memory of memories) {
      holds(memory);
      expect(shown.map(({ memoryId }) => memoryId)).not.toContain(memory.memoryId);
      shown.push({ memoryId: memory.memoryId, sort: order.startsWith("memoryId") ? null : sortOf(memory.modifiedAt) });
    }
    last = sources.replica;
    if (last !== "ok") wasAlways = false;
    cursor = next;
  }
  // The replica's part is complete where the replica was there at the end: pages without it are caught up with.
  const ids = shown.map(({ memoryId }) => memoryId);
  for (const memoryId of IDS) {
    // One past its time is the replica's to show, whether it is swept or not.
    const isPrimary = model.world.primary.get(memoryId)?.content?.isExpired === false;
    if (wanted(memoryId) && (isPrimary || last === "ok")) expect(ids).toContain(memoryId);
  }
  const sign = order.endsWith(" desc") ? -1 : 1;
  if (wasAlways) expect(shown).toEqual([...shown].sort((a, b) => sign * compare(a, b)));
}
