import { FEED_START } from "../../src/domain/change-source.ts";
import type { Ending } from "../../src/domain/ending.ts";
import { compareUtf8, type MemoryKey } from "../../src/domain/keys.ts";
import type { Memory } from "../../src/domain/memory.ts";
import type { HistoricVersion } from "../../src/ledger/history-statements.ts";
import type { TextHit, TextQuery } from "../../src/ledger/text-statements.ts";
import type {
  ContentQuery,
  PrimaryFacts,
  PrimaryLookup,
  PrimaryRow,
  PrimarySince,
  ReplicaContent,
  ReplicaHistory,
  ReplicaPage,
  ReplicaQuery,
  ReplicaReads,
  ReplicaRow,
  ReplicaRows,
  ReplicaStanding,
  VersionQuery,
} from "../../src/replica/merged/sides.ts";
import { type Content, type MergedWorld, NAMESPACE, type Version } from "./merged-world.ts";

/** Both sides of a `MergedWorld`, as merged reads ask them. */

/** The replica as merged reads ask it. */
export class WorldReplica implements ReplicaReads {
  readonly #world: MergedWorld;
  /** Contents that fit into one answer. */
  contentsMax = 1_000;

  constructor(world: MergedWorld) {
    this.#world = world;
  }

  async connect(): Promise<void> {
    // The model has no connections.
  }

  async standing(): Promise<ReplicaStanding> {
    const { replicaEpoch, applied, prunedAtStart } = this.#world;
    const epoch = replicaEpoch === null ? null : String(replicaEpoch);
    const place = (at: number) => ({ xid: String(at), seq: "1" });
    return {
      epoch,
      cursor: applied === 0 ? FEED_START : place(applied),
      prunedAtStart: prunedAtStart === 0 ? null : place(prunedAtStart),
    };
  }

  async readRows(_namespace: string, memoryIds: readonly string[]): Promise<ReplicaRows> {
    const rows = memoryIds.flatMap((memoryId) => {
      const row = this.#world.replica.get(memoryId);
      return row === undefined ? [] : [rowOf(memoryId, row, false)];
    });
    return { standing: await this.standing(), rows };
  }

  async canOrder(): Promise<boolean> {
    return true;
  }

  async listRows(query: ReplicaQuery): Promise<ReplicaPage> {
    const { after, rowsMax, sortField, isDescending, archive } = query;
    const all = [...this.#world.replica]
      .map(([memoryId, row]) => rowOf(memoryId, row, sortField !== null))
      .sort((a, b) => compare(a, b) * (isDescending ? -1 : 1))
      .filter((row) => after === null || compare(row, after) * (isDescending ? -1 : 1) > 0);
    const scanned = all.slice(0, rowsMax);
    const rows = scanned.filter(({ memoryId, version, endedBy, isExpired }) => {
      if (endedBy === null) return !isExpired || archive;
      const versions = this.#world.replicaVersions.get(memoryId) ?? [];
      const hasContent = versions.some((one) => one.version === version - 1 && one.content !== null);
      return archive && endedBy === "expired" && hasContent;
    });
    const last = scanned.at(-1);
    const place = last === undefined ? null : { memoryId: last.memoryId, sort: last.sort };
    return { standing: await this.standing(), rows, scanned: scanned.length, last: place };
  }

  async readContents({ wanted }: ContentQuery): Promise<readonly ReplicaContent[]> {
    const found = wanted.flatMap(({ memoryId, version }) => {
      const one = (this.#world.replicaVersions.get(memoryId) ?? []).find((candidate) => candidate.version === version);
      return one?.content == null ? [] : [pageRow(memoryId, version, one.content)];
    });
    return found.map((content, at) => (at < this.contentsMax ? content : { ...content, document: null, fits: false }));
  }

  async readHistory({ memoryId }: MemoryKey): Promise<ReplicaHistory> {
    const found = await this.readRows(NAMESPACE, [memoryId]);
    const ended = (this.#world.replicaVersions.get(memoryId) ?? []).filter(
      ({ content, endedBy }) => content === null && endedBy !== "expired",
    );
    return { ...found, endedThrough: Math.max(0, ...ended.map(({ version }) => version)) };
  }

  async readVersions({ memoryId, before, after, limit }: VersionQuery): Promise<readonly HistoricVersion[]> {
    const versions = this.#world.replicaVersions.get(memoryId) ?? [];
    return historyOf(memoryId, versions)
      .filter(({ version }) => version < before && version > after)
      .slice(0, limit);
  }

  async searchText({ limit, archive = false }: TextQuery): Promise<readonly TextHit[]> {
    const { rows } = await this.listRows({ ...ALL, archive });
    return rows
      .map(({ memoryId }) => ({ memoryId, score: scoreOf(memoryId) }))
      .sort(byScore)
      .slice(0, limit);
  }
}

const ALL = {
  namespace: NAMESPACE,
  condition: { kind: "all", of: [] },
  after: null,
  rowsMax: 1_000,
  sortField: null,
  isDescending: false,
} as const;

/** The primary as merged reads look memories up in it. */
export class WorldPrimary implements PrimaryLookup {
  readonly #world: MergedWorld;
  /** Runs once, between the replica's answer and the primary's. */
  meanwhile: (() => void) | null = null;
  /** The rows as they were when they were counted. */
  counted: ReadonlyMap<string, Version> = new Map();

  constructor(world: MergedWorld) {
    this.#world = world;
  }

  async lookUp(_namespace: string, memoryIds: readonly string[], since: PrimarySince | null): Promise<PrimaryFacts> {
    this.meanwhile?.();
    this.meanwhile = null;
    const { epoch, pruned, primary, refused } = this.#world;
    const rows = new Map<string, PrimaryRow>();
    for (const memoryId of memoryIds) {
      const row = primary.get(memoryId);
      if (row !== undefined) rows.set(memoryId, primaryRow(row));
    }
    const isUnsettled = (memoryId: string) => since !== null && primary.get(memoryId) !== this.counted.get(memoryId);
    const tombstonesPruned = pruned === 0 ? null : { xid: String(pruned), seq: "1" };
    return {
      epoch: String(epoch),
      tombstonesPruned,
      rows,
      refused: new Set(memoryIds.filter((id) => refused.has(id))),
      unsettled: new Set(memoryIds.filter(isUnsettled)),
    };
  }

  async asOf(_namespace: string, wanted: readonly { memoryId: string }[]): Promise<Map<string, PrimaryRow>> {
    return new Map(
      wanted.flatMap(({ memoryId }) => {
        const row = this.counted.get(memoryId);
        return row === undefined ? [] : [[memoryId, primaryRow(row)]];
      }),
    );
  }
}

function primaryRow({ version, endedBy, content }: Version): PrimaryRow {
  return { version, endedBy, isExpired: content?.isExpired ?? false };
}

export function compare(
  a: { memoryId: string; sort: string | null },
  b: { memoryId: string; sort: string | null },
): number {
  if (a.sort !== b.sort) return (a.sort ?? "") < (b.sort ?? "") ? -1 : 1;
  return compareUtf8(a.memoryId, b.memoryId);
}

export function sortOf(at: number): string {
  return new Date(at).toISOString().replace("Z", "000Z");
}

function rowOf(
  memoryId: string,
  row: { version: number; endedBy: Ending | null; isExpired: boolean; at: number },
  byTime: boolean,
): ReplicaRow {
  const { version, endedBy, isExpired, at } = row;
  return { memoryId, version, endedBy, isExpired: endedBy === null && isExpired, sort: byTime ? sortOf(at) : null };
}

function pageRow(memoryId: string, version: number, { text, privacy, at }: Content): ReplicaContent {
  return {
    memoryId,
    version,
    checksum: "",
    versionVector: "{}",
    createdAt: at,
    modifiedAt: at,
    sort: null,
    document: JSON.stringify({ content: text, memoryType: "note", importance: 0.5, metadata: {}, privacy }),
    embeddingBytes: null,
    embedding: null,
    fits: true,
  };
}

/** Newest first. */
export function historyOf(memoryId: string, versions: readonly Version[]): HistoricVersion[] {
  return [...versions]
    .sort((a, b) => b.version - a.version)
    .map(({ version, content, endedBy }) => ({
      namespace: NAMESPACE,
      memoryId,
      version,
      checksum: content === null ? null : "",
      documentJson: content === null ? null : (pageRow(memoryId, version, content).document as string),
      embedding: null,
      versionVector: {},
      modifiedAt: content?.at ?? 0,
      endedBy: content === null ? (endedBy ?? "deleted") : null,
      transactionId: "",
    }));
}

/** Some order of nearness that has nothing to do with the ids' own. */
export function scoreOf(memoryId: string): number {
  let hash = 7;
  for (const character of memoryId) hash = (hash * 31 + character.charCodeAt(0)) % 997;
  return hash / 997;
}

export function byScore(a: { score: number }, b: { score: number }): number {
  return b.score - a.score;
}

export function memoryOf(memoryId: string, { version, content }: Version): Memory | null {
  if (content === null) return null;
  const { text, privacy, at } = content;
  return {
    namespace: NAMESPACE,
    memoryId,
    content: text,
    memoryType: "note",
    importance: 0.5,
    metadata: {},
    privacy,
    version,
    checksum: "",
    versionVector: {},
    modifiedAt: at,
    embedding: null,
    source: "postgres",
  };
}
