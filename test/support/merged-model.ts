import { ENDINGS } from "../../src/domain/ending.ts";
import { StoreUnavailableError } from "../../src/domain/errors.ts";
import type { Memory } from "../../src/domain/memory.ts";
import type { ScanPlace } from "../../src/ledger/find-statements.ts";
import type { FoundPage } from "../../src/read/finder.ts";
import { memoryVersion } from "../../src/read/history.ts";
import { decodeListPlaces, type ListScope } from "../../src/read/list-cursor.ts";
import type { ListedMemory } from "../../src/read/list-options.ts";
import type { ReadSources } from "../../src/read/read-sources.ts";
import type { SearchResult } from "../../src/read/search/search-result.ts";
import { type CountPrimary, MergedCounts } from "../../src/replica/merged/merged-counts.ts";
import { MergedGets } from "../../src/replica/merged/merged-gets.ts";
import { MergedHistories } from "../../src/replica/merged/merged-histories.ts";
import { MergedLists } from "../../src/replica/merged/merged-lists.ts";
import { MergedSearches } from "../../src/replica/merged/merged-searches.ts";
import { MergedReadMetrics } from "../../src/replica/merged/metrics.ts";
import { ReplicaSide } from "../../src/replica/merged/replica-side.ts";
import type { ReplicaReads } from "../../src/replica/merged/sides.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { MetricBase } from "../../src/runtime/metric-base.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { byScore, compare, historyOf, memoryOf, scoreOf, sortOf, WorldPrimary, WorldReplica } from "./merged-sides.ts";
import { type MergedWorld, NAMESPACE } from "./merged-world.ts";
import fc from "./properties.ts";

/** Ids in which the order of UTF-8 and that of UTF-16 differ. */
export const IDS = ["a", "b", "e\u{1f600}", "e\uffee", "f"];

/** Shared: making them takes longer than most reads. */
const metrics = new MergedReadMetrics(new MetricBase());

export type Reachable = "ok" | "away" | "slow";
const id = fc.constantFrom(...IDS);

/** What happens before the reads. */
export const event = fc.oneof(
  {
    weight: 24,
    arbitrary: fc.record({
      type: fc.constant("put" as const),
      id,
      privacy: fc.constantFrom("full" as const, "full" as const, "redacted" as const, "local_only" as const),
      at: fc.nat(5),
    }),
  },
  { weight: 15, arbitrary: fc.record({ type: fc.constant("end" as const), id, ending: fc.constantFrom(...ENDINGS) }) },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant("end" as const), id, ending: fc.constant("expired" as const) }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("passTime" as const), id }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant("prune" as const), id }) },
  { weight: 9, arbitrary: fc.record({ type: fc.constant("pruneHistory" as const), id }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("lose" as const), id }) },
  {
    weight: 20,
    arbitrary: fc.record({
      type: fc.constant("follow" as const),
      changes: fc.oneof(fc.nat(4), fc.constant(100)),
      refuses: fc.constantFrom(false, false, false, false, false, false, false, false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("restore" as const), changes: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("resync" as const) }) },
);
export type WorldEvent = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** Stories in which a wrong rule shows, and that few random events would tell: in the midst of random events. */
const story = id.chain((of) => {
  const put: WorldEvent = { type: "put", id: of, privacy: "full", at: 1 };
  const follow: WorldEvent = { type: "follow", changes: 100, refuses: false };
  const end = (ending: "expired" | "deleted"): WorldEvent => ({ type: "end", id: of, ending });
  return fc.constantFrom<WorldEvent[]>(
    [put, follow, put, end("expired")], // The replica has another content than the last one.
    [put, end("deleted"), put, follow, { type: "pruneHistory", id: of }], // It has what was deleted before.
    [put, follow, end("deleted"), { type: "prune", id: of }], // It was not told of a deletion that is forgotten.
    [put, follow, end("deleted"), { type: "prune", id: of }, { type: "resync" }], // It never had it, and no change may come.
    [put, end("expired"), follow, { type: "prune", id: of }], // It alone has what expired.
    [put, end("expired"), follow],
    [put, put, follow, { type: "pruneHistory", id: of }],
    [put, follow, { type: "lose", id: of }],
    [put, follow, { type: "lose", id: of }, end("deleted"), follow, { type: "prune", id: of }],
  );
});

export function play(world: MergedWorld, step: WorldEvent, number: number): void {
  switch (step.type) {
    case "put": {
      const text = `${step.id}/${number}`;
      world.put(step.id, { text, privacy: step.privacy, at: step.at, isExpired: false });
      break;
    }
    case "end":
      world.end(step.id, step.ending);
      break;
    case "follow":
      world.follow(step.changes, step.refuses);
      break;
    case "restore":
      world.restore(step.changes);
      break;
    case "resync":
      world.resync();
      break;
    default:
      world[step.type](step.id);
  }
}

/** The merged reads over a world, as the façade calls them. */
export class MergedModel {
  readonly world: MergedWorld;
  readonly lookup: WorldPrimary;
  readonly replica: WorldReplica;
  readonly archive: boolean;
  reachable: Reachable = "ok";
  isPrimaryAway = false;
  /** Memories that a page of the primary has at most, whatever its limit. */
  pageMax = 1_000;
  /** Rows that a step of a list looks at in the replica. */
  stepRows = 1_000;
  readonly #sides: Readonly<Record<Reachable, ReplicaSide>>;

  constructor(world: MergedWorld, options: { archive: boolean; readsWhenPrimaryDown: boolean }) {
    this.world = world;
    this.lookup = new WorldPrimary(world);
    this.archive = options.archive;
    const inner = new WorldReplica(world);
    this.replica = inner;
    const reads = new Proxy(inner, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...input: unknown[]) => Promise<unknown>;
        return async (...input: unknown[]) => {
          if (this.reachable === "away") throw new StoreUnavailableError("replica", "connection refused");
          if (this.reachable === "slow") return await new Promise(() => undefined);
          return await method.apply(target, input);
        };
      },
    }) as ReplicaReads;
    const side = (readTimeoutMs: number): ReplicaSide =>
      new ReplicaSide({
        ...{ reads, primary: this.lookup, readTimeoutMs, healthCheckIntervalMs: 1e9, ...options },
        metrics,
        log: silentLog,
        now: () => performance.now(),
      });
    this.#sides = { ok: side(60_000), away: side(60_000), slow: side(1) };
  }

  get #side(): ReplicaSide {
    return this.#sides[this.reachable];
  }

  /** Whether the replica has followed all, and may take part. */
  get isCurrent(): boolean {
    const { world } = this;
    const hasMissed = world.pruned > world.applied && world.pruned > world.prunedAtStart;
    return world.replicaEpoch === world.epoch && !hasMissed && world.isFollowed;
  }

  async #primary<T>(read: () => T): Promise<T> {
    await Promise.resolve();
    if (this.isPrimaryAway) throw new StoreUnavailableError("postgres", "away");
    return read();
  }

  #alive(): Memory[] {
    return [...this.world.primary].flatMap(([memoryId, row]) =>
      row.content === null || row.content.isExpired ? [] : (memoryOf(memoryId, row) ?? []),
    );
  }

  async get(memoryIds: readonly string[]): Promise<{ memories: (Memory | null)[]; sources: ReadSources }> {
    const keys = memoryIds.map((memoryId) => ({ namespace: NAMESPACE, memoryId }));
    const primary = () =>
      this.#primary(() => {
        const alive = new Map(this.#alive().map((memory) => [memory.memoryId, memory]));
        return memoryIds.map((memoryId) => alive.get(memoryId) ?? null);
      });
    const gets = new MergedGets(this.#side);
    const { answer, sources } = await gets.getMany(keys, { withCreatedAt: false, primary }, NEVER);
    return { memories: answer, sources };
  }

  async page(
    scope: ListScope,
    cursor: string | null,
    limit: number,
  ): Promise<{ memories: readonly ListedMemory[]; cursor: string | null; sources: ReadSources }> {
    const { place, replica } = cursor === null ? { place: null, replica: null } : decodeListPlaces(cursor, scope);
    const primary = () => this.#primary(() => this.#page(scope, place, limit));
    const lists = new MergedLists(this.#side, { min: this.stepRows, perMemory: 0 });
    const page = { after: { place, replica }, limit, withEmbedding: false };
    const { answer, sources } = await lists.list(scope, page, primary, NEVER);
    return { ...answer, sources };
  }

  #page({ order }: ListScope, after: ScanPlace | null, limit: number): FoundPage {
    const sign = order.endsWith(" desc") ? -1 : 1;
    const placed = this.#alive()
      .map((memory) => ({
        memory: { ...memory, createdAt: 0, dimension: null } as ListedMemory,
        place: { memoryId: memory.memoryId, sort: order.startsWith("memoryId") ? null : sortOf(memory.modifiedAt) },
      }))
      .sort((a, b) => sign * compare(a.place, b.place))
      .filter(({ place }) => after === null || sign * compare(place, after) > 0);
    const shown = placed.slice(0, Math.min(limit, this.pageMax));
    return {
      memories: shown.map(({ memory }) => memory),
      places: shown.map(({ place }) => place),
      end: shown.length < placed.length ? (shown.at(-1)?.place ?? null) : null,
    };
  }

  async count(): Promise<{ count: number; estimate: boolean; sources: ReadSources }> {
    const counts = new MergedCounts(this.#side);
    const condition = { kind: "all", of: [] } as const;
    const primary: CountPrimary = async (onStretch) =>
      await this.#primary(() => {
        this.lookup.counted = new Map(this.world.primary);
        onStretch({ end: null, snapshot: "", moment: "" });
        return this.#alive().length;
      });
    const { answer, sources } = await counts.count(NAMESPACE, condition, primary, NEVER);
    return { ...answer, sources };
  }

  async search(k: number): Promise<{ results: SearchResult[]; sources: ReadSources }> {
    const search = async (): Promise<SearchResult[]> =>
      await this.#primary(() =>
        this.#alive()
          .map((memory) => ({ memory, score: scoreOf(memory.memoryId) }))
          .sort(byScore)
          .slice(0, k),
      );
    const plain = { search } as never;
    const parts = { vectors: plain, texts: plain, replicaIndex: null, language: "english" };
    const scope = {
      ...{ namespace: NAMESPACE, k, scoreMin: Number.NEGATIVE_INFINITY },
      condition: { kind: "all", of: [] } as const,
      filter: () => true,
    };
    const searches = new MergedSearches(this.#side, parts);
    const { answer, sources } = await searches.search((merged) => merged.byText(scope, "words", NEVER), NEVER);
    return { results: answer, sources };
  }

  async history(memoryId: string) {
    const primary = () =>
      this.#primary(() => historyOf(memoryId, this.world.primaryVersions.get(memoryId) ?? []).map(memoryVersion));
    const histories = new MergedHistories(this.#side);
    const { answer, sources } = await histories.list(
      { namespace: NAMESPACE, memoryId },
      { limit: 100, primary },
      NEVER,
    );
    return { versions: answer, sources };
  }
}

/** A random state of two sides, and how it is read. */
export const mergedCase = fc.record({
  events: fc
    .array(fc.oneof({ weight: 3, arbitrary: event.map((one) => [one]) }, { weight: 1, arbitrary: story }), {
      maxLength: 30,
      size: "max",
    })
    .map((parts) => parts.flat()),
  archive: fc.constantFrom(true, true, false),
  expiredMeanwhile: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(IDS) }),
  prunedMeanwhile: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(IDS) }),
  reachable: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Reachable[]>(["ok"]) },
    {
      weight: 2,
      arbitrary: fc
        .array(fc.constantFrom<Reachable>("ok", "ok", "away", "away", "slow"), { minLength: 1, maxLength: 3 })
        .map((pages) => [...pages, "ok" as const]),
    },
  ),
  limit: fc.integer({ min: 1, max: 8 }),
  pageMax: fc.constantFrom(1, 2, 1_000),
  stepRows: fc.constantFrom(1, 2, 1_000),
  contentsMax: fc.constantFrom(1, 2, 1_000),
  order: fc.nat(3),
  k: fc.integer({ min: 1, max: 8 }),
});
