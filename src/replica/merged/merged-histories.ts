import type { MemoryKey } from "../../domain/keys.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import { type MemoryVersion, memoryVersion } from "../../read/history.ts";
import { isPrimaryAway, type Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import type { ReplicaSide } from "./replica-side.ts";
import type { ReplicaHistory } from "./sides.ts";
import { isShownAlone } from "./verdict.ts";

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

  /** @param primary the versions that the primary keeps, newest first. */
  async list(
    key: MemoryKey,
    limit: number,
    primary: () => Promise<MemoryVersion[]>,
    signal: AbortSignal,
  ): Promise<Merged<MemoryVersion[]>> {
    const { archive, readsWhenPrimaryDown } = this.#side.parts;
    let versions: MemoryVersion[];
    try {
      versions = await primary();
    } catch (error) {
      if (!readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      const alone = new MergedRead(this.#side, "history", signal).primaryFailed();
      const own = await alone.ask((reads, deadline) => reads.readHistory(key, limit, deadline));
      if (own === null) throw error;
      const isShown = own.rows[0] !== undefined && isShownAlone(own.rows[0], archive);
      return { answer: isShown ? sinceEnding(own.versions).map(memoryVersion) : [], sources: alone.end() };
    }
    const read = new MergedRead(this.#side, "history", signal);
    if (versions.length > 0 && (!archive || hasStrongEnding(versions))) {
      // The replica adds nothing, so none of its versions are read: only how it stands.
      const standing = await read.ask((reads, deadline) => reads.standing(deadline));
      if (standing !== null) await read.judge(key.namespace, { standing }, []);
      return { answer: versions.slice(0, limit), sources: read.end() };
    }
    const replica = await read.ask((reads, deadline) => reads.readHistory(key, limit, deadline));
    if (replica !== null) versions = [...versions, ...(await this.#added(read, key, replica, versions))];
    return { answer: versions.slice(0, limit), sources: read.end() };
  }

  /** Versions older than all that the primary has. */
  async #added(
    read: MergedRead,
    { namespace }: MemoryKey,
    replica: ReplicaHistory,
    versions: readonly MemoryVersion[],
  ): Promise<MemoryVersion[]> {
    const [row] = replica.rows;
    const oldest = versions.at(-1)?.version;
    if (row === undefined || oldest === undefined) {
      const shown = await read.judge(namespace, replica, replica.rows);
      return shown.length === 0 ? [] : sinceEnding(replica.versions).map(memoryVersion);
    }
    const facts = await read.facts(namespace, replica.standing, [row.memoryId]);
    const current = facts?.rows.get(row.memoryId);
    const hasFollowed = current !== undefined && current.version === row.version && current.endedBy === row.endedBy;
    if (!hasFollowed || facts?.refused.has(row.memoryId)) return [];
    return sinceEnding(replica.versions)
      .filter(({ version }) => version < oldest)
      .map(memoryVersion);
  }
}

/** Versions down to the last ending that was no expiry: that one and those before it stay away for good. */
function sinceEnding(versions: readonly HistoricVersion[]): readonly HistoricVersion[] {
  const end = versions.findIndex(({ endedBy }) => endedBy !== null && endedBy !== "expired");
  return end < 0 ? versions : versions.slice(0, end);
}

function hasStrongEnding(versions: readonly MemoryVersion[]): boolean {
  return versions.some(({ endedBy }) => endedBy !== undefined && endedBy !== "expired");
}
