import { FEED_START } from "../../src/domain/change-source.ts";
import { type Ending, isStronger } from "../../src/domain/ending.ts";
import { compareUtf8, type MemoryKey } from "../../src/domain/keys.ts";
import type { Memory } from "../../src/domain/memory.ts";
import type { HistoricVersion } from "../../src/ledger/history-statements.ts";
import type { TextHit, TextQuery } from "../../src/ledger/text-statements.ts";
import type {
  ContentQuery,
  PrimaryFacts,
  PrimaryLookup,
  PrimaryRow,
  ReplicaContent,
  ReplicaHistory,
  ReplicaPage,
  ReplicaQuery,
  ReplicaReads,
  ReplicaRow,
  ReplicaRows,
  ReplicaStanding,
} from "../../src/replica/merged/sides.ts";

/**
 * A primary and a replica that follows its feed, in maps: rows, tombstones that are pruned, contents that are withheld, erased
 * or archived, and the truth about each memory beside them, which no pruning and no lag changes.
 */

export const NAMESPACE = "default";
export type Privacy = "full" | "redacted" | "local_only";

export interface Content {
  readonly text: string;
  readonly privacy: Privacy;
  /** Where the memory stands in an order by time. */
  readonly at: number;
  readonly isExpired: boolean;
}

interface Version {
  readonly version: number;
  readonly content: Content | null;
  readonly endedBy: Ending | null;
}

interface Change extends Version {
  readonly memoryId: string;
  readonly place: number;
}

interface Row extends Version {
  readonly place: number;
}

/** What the memory says in truth: what may be shown of it. */
interface Truth {
  /** The newest version that was alive; null: none, or it was ended for good. */
  readonly content: Content | null;
  readonly endedBy: Ending | null;
  /** The newest version up to which all is gone for good. */
  readonly goneThrough: number;
  /** Its row was lost by hand: the primary does not know that it was there. */
  readonly isLost: boolean;
}

export class MergedWorld {
  readonly primary = new Map<string, Row>();
  readonly primaryVersions = new Map<string, Version[]>();
  readonly truth = new Map<string, Truth>();
  readonly refused = new Set<string>();
  readonly replica = new Map<string, { version: number; endedBy: Ending | null; isExpired: boolean; at: number }>();
  readonly replicaVersions = new Map<string, Version[]>();
  epoch = 1;
  replicaEpoch: number | null = 1;
  pruned = 0;
  applied = 0;
  #feed: Change[] = [];
  #places = 0;

  put(memoryId: string, content: Content): void {
    const row = this.primary.get(memoryId);
    const truth = this.truth.get(memoryId);
    if (row?.endedBy === "erased" || truth?.isLost) return; // Rows that are lost by hand and written anew need a repair.
    const version = Math.max(row?.version ?? 0, truth?.goneThrough ?? 0, this.#floor(memoryId)) + 1;
    this.#write(memoryId, { version, content, endedBy: null });
    this.truth.set(memoryId, { content, endedBy: null, goneThrough: truth?.goneThrough ?? 0, isLost: false });
  }

  /** Deletes of unknown memories are written, as where a replica is set up. */
  end(memoryId: string, ending: Ending): void {
    const row = this.primary.get(memoryId);
    if (row === undefined && ending === "expired") return;
    if (row !== undefined && row.endedBy !== null && !isStronger(ending, row.endedBy)) return;
    const truth = this.truth.get(memoryId);
    // Of a lost row the primary knows no version: it begins anew.
    const version = (row?.version ?? (truth?.isLost ? 0 : this.#floor(memoryId))) + 1;
    if (ending === "erased" || ending === "withdrawn") this.primaryVersions.delete(memoryId);
    this.#write(memoryId, { version, content: null, endedBy: ending });
    const isForGood = ending !== "expired";
    const last = Math.max(version, ...(this.replicaVersions.get(memoryId) ?? []).map((one) => one.version));
    this.truth.set(memoryId, {
      content: isForGood ? null : (truth?.content ?? null),
      endedBy: ending,
      goneThrough: isForGood ? last : (truth?.goneThrough ?? 0),
      isLost: false,
    });
  }

  /** The time of `expiresAt` passes; the row stays until it is swept. */
  passTime(memoryId: string): void {
    const row = this.primary.get(memoryId);
    if (row?.content == null) return;
    const expire = (version: Version): Version =>
      version.version === row.version && version.content !== null
        ? { ...version, content: { ...version.content, isExpired: true } }
        : version;
    this.primary.set(memoryId, { ...row, ...expire(row) });
    this.primaryVersions.set(memoryId, (this.primaryVersions.get(memoryId) ?? []).map(expire));
    this.#feed = this.#feed.map((change) => (change.memoryId === memoryId ? { ...change, ...expire(change) } : change));
    const copy = this.replica.get(memoryId);
    if (copy?.version === row.version) this.replica.set(memoryId, { ...copy, isExpired: true });
    const truth = this.truth.get(memoryId);
    if (truth?.content) this.truth.set(memoryId, { ...truth, content: { ...truth.content, isExpired: true } });
  }

  /** Prunes a tombstone, whether the replica was told of it or not: the retention hint may have been lost. */
  prune(memoryId: string): void {
    const row = this.primary.get(memoryId);
    if (row?.endedBy == null || row.endedBy === "erased" || this.refused.has(memoryId)) return;
    this.primary.delete(memoryId);
    this.primaryVersions.delete(memoryId);
    this.pruned = Math.max(this.pruned, row.place);
  }

  /** Retention prunes all versions but the current one. */
  pruneHistory(memoryId: string): void {
    this.primaryVersions.set(memoryId, (this.primaryVersions.get(memoryId) ?? []).slice(-1));
  }

  /** The row goes by hand, without a tombstone. */
  lose(memoryId: string): void {
    const row = this.primary.get(memoryId);
    const truth = this.truth.get(memoryId);
    const copy = this.replica.get(memoryId);
    // Only what the replica has as it is: what it lags behind of is lost for good.
    if (row?.content == null || truth === undefined || copy?.version !== row.version) return;
    this.primary.delete(memoryId);
    this.primaryVersions.delete(memoryId);
    this.truth.set(memoryId, { ...truth, isLost: true });
  }

  /** The replica applies the next changes; `refuses`: the first of them becomes a dead letter. */
  follow(changes: number, refuses: boolean): void {
    if (this.replicaEpoch !== this.epoch) return;
    for (const change of this.#feed.filter(({ place }) => place > this.applied).slice(0, changes)) {
      if (refuses && change === this.#feed.find(({ place }) => place > this.applied)) this.refused.add(change.memoryId);
      else if (!this.refused.has(change.memoryId)) this.#apply(change);
      refuses = false;
      this.applied = change.place;
    }
  }

  /** The primary is restored from a copy in which the last changes are missing: another epoch. */
  restore(changes: number): void {
    const kept = this.#feed.slice(0, Math.max(0, this.#feed.length - changes));
    this.primary.clear();
    this.primaryVersions.clear();
    this.truth.clear();
    this.refused.clear();
    this.#feed = [];
    this.epoch += 1;
    this.pruned = 0;
    for (const { memoryId, content, endedBy } of kept) {
      if (content !== null) this.put(memoryId, content);
      else if (endedBy !== null) this.end(memoryId, endedBy);
    }
  }

  /** The replica has compared itself with the new epoch: it holds what the primary holds. */
  resync(): void {
    this.replica.clear();
    this.replicaVersions.clear();
    this.replicaEpoch = this.epoch;
    this.applied = 0;
    this.follow(Number.POSITIVE_INFINITY, false);
  }

  /** Whether the replica was told of each change. */
  get isFollowed(): boolean {
    return this.applied >= (this.#feed.at(-1)?.place ?? 0);
  }

  #floor(memoryId: string): number {
    return Math.max(0, ...this.#feed.filter((change) => change.memoryId === memoryId).map(({ version }) => version));
  }

  #write(memoryId: string, version: Version): void {
    this.#places += 1;
    const place = this.#places;
    this.primary.set(memoryId, { ...version, place });
    this.primaryVersions.set(memoryId, [...(this.primaryVersions.get(memoryId) ?? []), version]);
    this.#feed.push({ ...version, memoryId, place });
  }

  #apply({ memoryId, version, content, endedBy }: Change): void {
    const copy = this.replica.get(memoryId);
    const versions = this.replicaVersions.get(memoryId) ?? [];
    const isWithheld = content?.privacy === "local_only";
    if ((isWithheld && copy === undefined) || (copy !== undefined && version <= copy.version && endedBy === null))
      return;
    // What was never told is not ended either.
    if (endedBy !== null && copy === undefined) {
      this.replica.set(memoryId, { version, endedBy, isExpired: false, at: 0 });
      this.replicaVersions.set(memoryId, [{ version, content: null, endedBy }]);
      return;
    }
    const ending = isWithheld ? "withdrawn" : endedBy;
    if (copy?.endedBy === "withdrawn" && ending === "expired") return; // A `local_only` memory is not told.
    const shown =
      content === null || isWithheld ? null : content.privacy === "redacted" ? { ...content, text: "" } : content;
    const scrubs = ending === "withdrawn" || ending === "erased";
    const before = scrubs ? versions.map((one) => ({ ...one, content: null, endedBy: ending })) : versions;
    const number = Math.max(version, copy?.version ?? 0); // An ending counts, whatever its number.
    const others = before.filter((one) => one.version !== number);
    this.replica.set(memoryId, {
      version: number,
      endedBy: ending,
      isExpired: content?.isExpired ?? false,
      at: content?.at ?? copy?.at ?? 0,
    });
    this.replicaVersions.set(memoryId, [...others, { version: number, content: shown, endedBy: ending }]);
  }
}

/** The replica as merged reads ask it. */
export class WorldReplica implements ReplicaReads {
  readonly #world: MergedWorld;
  /** Contents that fit into one answer. */
  contentsMax = 1_000;

  constructor(world: MergedWorld) {
    this.#world = world;
  }

  async standing(): Promise<ReplicaStanding> {
    const { replicaEpoch, applied } = this.#world;
    const epoch = replicaEpoch === null ? null : String(replicaEpoch);
    return { epoch, cursor: applied === 0 ? FEED_START : { xid: String(applied), seq: "1" } };
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

  async readHistory(key: MemoryKey, limit: number): Promise<ReplicaHistory> {
    const found = await this.readRows(NAMESPACE, [key.memoryId]);
    const versions = this.#world.replicaVersions.get(key.memoryId) ?? [];
    return { ...found, versions: historyOf(key.memoryId, versions).slice(0, limit) };
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

  constructor(world: MergedWorld) {
    this.#world = world;
  }

  async lookUp(_namespace: string, memoryIds: readonly string[]): Promise<PrimaryFacts> {
    this.meanwhile?.();
    this.meanwhile = null;
    const { epoch, pruned, primary, refused } = this.#world;
    const rows = new Map<string, PrimaryRow>();
    for (const memoryId of memoryIds) {
      const row = primary.get(memoryId);
      if (row === undefined) continue;
      rows.set(memoryId, { version: row.version, endedBy: row.endedBy, isExpired: row.content?.isExpired ?? false });
    }
    const tombstonesPruned = pruned === 0 ? null : { xid: String(pruned), seq: "1" };
    return {
      epoch: String(epoch),
      tombstonesPruned,
      rows,
      refused: new Set(memoryIds.filter((id) => refused.has(id))),
    };
  }
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
