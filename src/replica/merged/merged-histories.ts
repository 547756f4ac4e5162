import type { MemoryKey } from "../../domain/keys.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import { nextSize, type OnBytes } from "../../read/bounded-reads.ts";
import { type MemoryVersion, memoryVersion } from "../../read/history.ts";
import { mapInTurns } from "../../runtime/turns.ts";
import type { Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import type { ReplicaSide } from "./replica-side.ts";
import type { ReplicaHistory } from "./sides.ts";
import { isShownAlone } from "./verdict.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/**
 * Histories over both sides. The primary's versions stand as they are. The replica adds
 * - the history of a memory that it alone shows, and
 * - with the archive, versions that the primary's retention pruned: where the replica has followed the memory to its current
 *   version, so that nothing that was withheld or erased since is among them, and only those since the last ending that was
 *   no expiry.
 *
 * The replica is asked after the primary has answered: mostly it adds nothing, and its versions, with their contents, need
 * not be read. So `readTimeoutMs` begins there.
 */
export class MergedHistories {
  readonly #side: ReplicaSide;

  constructor(side: ReplicaSide) {
    this.#side = side;
  }

  /**
   * @param primary the versions that the primary keeps, newest first.
   * @param onBytes told of the bytes of the replica's versions, before more of them are read.
   */
  async list(
    key: MemoryKey,
    {
      limit,
      onBytes,
      primary,
    }: { limit: number; onBytes?: OnBytes | undefined; primary: () => Promise<MemoryVersion[]> },
    signal: AbortSignal,
  ): Promise<Merged<MemoryVersion[]>> {
    const { archive, readsWhenPrimaryDown } = this.#side.parts;
    let versions: MemoryVersion[];
    try {
      versions = await primary();
    } catch (error) {
      if (!readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      const alone = new MergedRead(this.#side, "history", signal).primaryFailed();
      const own = await this.#alone(alone, key, { limit, onBytes });
      if (own === null) throw error;
      return { answer: own, sources: alone.end() };
    }
    const read = new MergedRead(this.#side, "history", signal);
    const wanted = limit - versions.length;
    if (wanted <= 0 || (versions.length > 0 && (!archive || hasStrongEnding(versions)))) {
      // The replica adds nothing, so none of its versions are read: only how it stands.
      const standing = await read.ask((reads, deadline) => reads.standing(deadline));
      if (standing !== null) await read.judge(key.namespace, { standing }, []);
      return { answer: versions.slice(0, limit), sources: read.end() };
    }
    const added = await this.#added(read, key, versions, { limit: wanted, onBytes });
    return { answer: [...versions, ...(added ?? [])], sources: read.end() };
  }

  /** Versions older than all that the primary has; null: the replica does not take part to the end. */
  async #added(
    read: MergedRead,
    key: MemoryKey,
    versions: readonly MemoryVersion[],
    bounds: HistoryBounds,
  ): Promise<MemoryVersion[] | null> {
    const { namespace } = key;
    const replica = await read.ask((reads, deadline) => reads.readHistory(key, deadline));
    if (replica === null) return null;
    const [row] = replica.rows;
    const oldest = versions.at(-1)?.version;
    if (row === undefined || oldest === undefined) {
      const shown = await read.judge(namespace, replica, replica.rows);
      return shown.length === 0 ? [] : await this.#versions(read, key, replica, { ...bounds, before: Infinity });
    }
    const facts = await read.facts(namespace, replica.standing, [row.memoryId]);
    const current = facts?.rows.get(row.memoryId);
    const hasFollowed = current !== undefined && current.version === row.version && current.endedBy === row.endedBy;
    if (!hasFollowed || facts?.refused.has(row.memoryId)) return [];
    return await this.#versions(read, key, replica, { ...bounds, before: oldest });
  }

  /** The replica's own history, as it stands; null: it does not take part. */
  async #alone(read: MergedRead, key: MemoryKey, bounds: HistoryBounds): Promise<MemoryVersion[] | null> {
    const replica = await read.ask((reads, deadline) => reads.readHistory(key, deadline));
    if (replica === null) return null;
    const isShown = replica.rows[0] !== undefined && isShownAlone(replica.rows[0], this.#side.parts.archive);
    return isShown ? await this.#versions(read, key, replica, { ...bounds, before: Infinity }) : [];
  }

  /**
   * Versions of the replica, part by part, down to the last ending that was no expiry: that one and those before it stay away
   * for good. Those that came since the row was read are left out. Null: the replica does not take part any more: half of
   * what it has would look like all of it.
   */
  async #versions(
    read: MergedRead,
    key: MemoryKey,
    { rows, endedThrough }: ReplicaHistory,
    { before, limit, onBytes }: HistoryBounds & { before: number },
  ): Promise<MemoryVersion[] | null> {
    const found: MemoryVersion[] = [];
    let end = Math.min(before, (rows[0]?.version ?? 0) + 1);
    for (let size = VERSIONS_FIRST; found.length < limit; ) {
      const query = { ...key, before: end, after: endedThrough, limit: Math.min(size, limit - found.length) };
      const page = await read.ask((reads, deadline) => reads.readVersions(query, deadline));
      if (page === null) return null;
      const bytes = page.reduce((sum, version) => sum + bytesOf(version), 0);
      onBytes?.(bytes);
      // What was erased while it was read shows as an ending.
      const kept = sinceEnding(page);
      found.push(...(await mapInTurns(kept, memoryVersion)));
      if (kept.length < query.limit) break;
      end = kept.at(-1)?.version ?? 0;
      size = nextSize(page.length, bytes);
    }
    return found;
  }
}

interface HistoryBounds {
  readonly limit: number;
  readonly onBytes: OnBytes | undefined;
}

/** Versions that are read first; then as many as their sizes allow. */
const VERSIONS_FIRST = 16;

function bytesOf({ documentJson, embedding }: HistoricVersion): number {
  return (documentJson?.length ?? 0) + (embedding?.byteLength ?? 0);
}

function sinceEnding(versions: readonly HistoricVersion[]): readonly HistoricVersion[] {
  const end = versions.findIndex(({ endedBy }) => endedBy !== null && endedBy !== "expired");
  return end < 0 ? versions : versions.slice(0, end);
}

function hasStrongEnding(versions: readonly MemoryVersion[]): boolean {
  return versions.some(({ endedBy }) => endedBy !== undefined && endedBy !== "expired");
}
