import { type Ending, isStronger } from "../../src/domain/ending.ts";

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

export interface Version {
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
  /** How far tombstones were pruned when the replica began to read at the start. */
  prunedAtStart = 0;
  applied = 0;
  #feed: Change[] = [];
  /** Versions below which no number is given again, though no row is left. */
  readonly #floors = new Map<string, number>();
  /** Memories that the replica kept as expired while it missed that they were written again, ended and forgotten: see docs/replica.md. */
  readonly uncertain = new Set<string>();
  /** Up to which version the replica has such a memory: once it is written again, its history stays as uncertain. */
  readonly uncertainThrough = new Map<string, number>();
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
    this.#floors.set(memoryId, this.#floor(memoryId));
    this.#feed = this.#feed.filter((change) => change.memoryId !== memoryId);
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

  /** The replica applies the next changes; `refuses`: the first of them becomes a dead letter. It begins anew where it missed an ending. */
  follow(changes: number, refuses: boolean): void {
    if (this.replicaEpoch !== this.epoch) return;
    if (this.pruned > this.applied && this.pruned > this.prunedAtStart) {
      this.resync();
      return;
    }
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
    this.#floors.clear();
    this.uncertain.clear();
    for (const { memoryId, content, endedBy } of kept) {
      if (content !== null) this.put(memoryId, content);
      else if (endedBy !== null) this.end(memoryId, endedBy);
    }
  }

  /** The replica has begun anew and compared itself: it holds what the primary holds, and ended memories that this history has forgotten. */
  resync(): void {
    const isSame = this.replicaEpoch === this.epoch;
    for (const [memoryId, { version, endedBy }] of this.replica) {
      if (isSame && endedBy !== null && !this.primary.has(memoryId)) {
        if (this.#floor(memoryId) > version) {
          this.uncertain.add(memoryId);
          this.uncertainThrough.set(memoryId, version);
        }
        continue;
      }
      this.uncertainThrough.delete(memoryId);
      this.replica.delete(memoryId);
      this.replicaVersions.delete(memoryId);
    }
    this.replicaEpoch = this.epoch;
    this.applied = 0;
    this.prunedAtStart = this.pruned;
    this.follow(Number.POSITIVE_INFINITY, false);
  }

  /** Whether the replica was told of each change. */
  get isFollowed(): boolean {
    return this.applied >= (this.#feed.at(-1)?.place ?? 0);
  }

  #floor(memoryId: string): number {
    const versions = this.#feed.filter((change) => change.memoryId === memoryId).map(({ version }) => version);
    return Math.max(this.#floors.get(memoryId) ?? 0, ...versions);
  }

  #write(memoryId: string, version: Version): void {
    this.#places += 1;
    const place = this.#places;
    this.uncertain.delete(memoryId);
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
