import type { Privacy } from "../../../src/index.ts";
import type { TakenBack } from "./audit.ts";

/** A memory's row, as a side has it. */
export interface Row {
  readonly memory_id: string;
  readonly version: string;
  readonly ended_by: string | null;
  /** All that must be the same on both sides for a memory that leaves in full. */
  readonly line: string;
}

/** A version, as a side has it. */
export interface Body extends Row {
  readonly privacy: Privacy | null;
  readonly has_content: boolean;
  /** Of the versions behind it, as the primary has them: what is withheld of this one too. */
  readonly strictest: number;
}

/** What a side has. */
export interface Side {
  readonly rows: readonly Row[];
  readonly bodies: readonly Body[];
}

/** What the replica has, with the versions that its primary lost. */
export interface ReplicaSide extends Side {
  readonly diverged: readonly Pick<Body, "memory_id" | "version" | "has_content">[];
}

/** A memory that expired, as the replica keeps it. */
export interface Expired {
  readonly memory_id: string;
  /** Of the expiry itself. */
  readonly version: string;
  readonly content: string;
}

/** Where a replica that has caught up differs from its primary, but for what privacy withholds. */
export function sideFindings(primary: Side, replica: ReplicaSide): string[] {
  return [...rowFindings(primary, replica), ...bodyFindings(primary, replica), ...erasedFindings(primary, replica)];
}

function rowFindings(primary: Side, replica: Side): string[] {
  const findings: string[] = [];
  const replicaRows = new Map(replica.rows.map((row) => [row.memory_id, row]));
  const privacies = new Map(primary.bodies.map((body) => [keyOf(body), body.privacy]));
  for (const row of primary.rows) {
    const found = replicaRows.get(row.memory_id);
    const what = rowFinding(row, privacies.get(keyOf(row)) ?? null, found);
    if (what !== null) findings.push(`row ${row.memory_id}: ${what}: ${row.line} / ${found?.line}`);
  }
  const known = new Set(primary.rows.map(({ memory_id }) => memory_id));
  for (const { memory_id, ended_by, line } of replica.rows) {
    if (!known.has(memory_id) && ended_by === null)
      findings.push(`row ${memory_id}: the primary does not know it: ${line}`);
  }
  return findings;
}

function rowFinding(row: Row, privacy: Privacy | null, found: Row | undefined): string | null {
  if (row.ended_by === null && privacy === "local_only")
    return found === undefined || found.ended_by !== null ? null : "it is local_only, and alive in the replica";
  if (row.ended_by !== null) {
    if (found === undefined) return null; // It was never there.
    if (found.version !== row.version) return "its ending is not there";
    return found.ended_by === row.ended_by ? null : "it ended otherwise";
  }
  if (found === undefined) return "it is missing";
  if (found.version !== row.version) return "it is at another version";
  if (privacy === "redacted") return found.ended_by === null ? null : "it is redacted, and has ended in the replica";
  return found.line === row.line ? null : "it differs";
}

function bodyFindings(primary: Side, replica: Side): string[] {
  const replicaBodies = new Map(replica.bodies.map((body) => [keyOf(body), body]));
  return primary.bodies.flatMap((body) => {
    const found = replicaBodies.get(keyOf(body));
    const what = bodyFinding(body, found);
    return what === null ? [] : [`body ${keyOf(body)}: ${what}: ${body.line} / ${found?.line}`];
  });
}

function bodyFinding(body: Body, found: Body | undefined): string | null {
  if (body.privacy === null) return null; // An ending: of a memory that never arrived there is none.
  const strictest = Math.max(body.strictest, body.privacy === "full" ? 0 : body.privacy === "redacted" ? 1 : 2);
  if (strictest > 0) return found?.has_content ? "its content is withheld, and is in the replica" : null;
  if (found === undefined) return "this version is missing";
  return found.line === body.line ? null : "this version differs";
}

/** The primary has no content of an erased memory left to compare: the replica must have none either, at no version. */
function erasedFindings({ rows }: Side, { bodies, diverged }: ReplicaSide): string[] {
  const erased = new Set(rows.filter(({ ended_by }) => ended_by === "erased").map(({ memory_id }) => memory_id));
  const findingsIn = (place: string, versions: ReplicaSide["diverged"]): string[] =>
    versions
      .filter(({ memory_id, has_content }) => has_content && erased.has(memory_id))
      .map((version) => `${place} ${keyOf(version)}: it was erased, and its content is in the replica`);
  return [...findingsIn("body", bodies), ...findingsIn("diverged", diverged)];
}

/** What the archive has to show: what expired, and of which the primary says nothing newer. */
export function archivedOf(expired: readonly Expired[], primaryRows: readonly Row[]): Expired[] {
  const rows = new Map(primaryRows.map((row) => [row.memory_id, row]));
  return expired.filter(({ memory_id, version }) => {
    const row = rows.get(memory_id);
    return row === undefined || (row.ended_by === "expired" && row.version === version);
  });
}

/** @param shown by the archive, by memory; null: without content. */
export function archiveFindings(archived: readonly Expired[], shown: ReadonlyMap<string, string | null>): string[] {
  return archived
    .filter(({ memory_id, content }) => shown.get(memory_id) !== content)
    .map(({ memory_id, content }) => {
      const instead = shown.has(memory_id) ? shown.get(memory_id) : "nothing";
      return `archive: ${memory_id} expired as ${content}, and a read that asks the replica shows ${instead}`;
    });
}

/** Versions of the replica that went back between two looks into it, within one epoch. */
export function goneBack(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): string[] {
  const findings: string[] = [];
  for (const [memoryId, version] of before) {
    const found = now.get(memoryId);
    if (found === undefined) findings.push(`replica: the row of ${memoryId} is gone, it was at ${version}`);
    else if (found < version) findings.push(`replica: ${memoryId} went back from ${version} to ${found} in an epoch`);
  }
  return findings;
}

/** What the replica's own audit noted. */
export function takenBackFindings(noted: readonly TakenBack[]): string[] {
  return noted.map(({ place, memory_id, was, became }) => {
    if (became !== null) return `replica: ${memory_id} went back from ${was} to ${became} in an epoch`;
    return place === "row"
      ? `replica: the row of ${memory_id} is gone, it was at ${was}`
      : `replica: version ${was} of ${memory_id} is gone`;
  });
}

function keyOf({ memory_id, version }: Pick<Row, "memory_id" | "version">): string {
  return `${memory_id}@${version}`;
}
