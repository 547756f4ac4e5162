import { mergeContents, sameContent } from "../../conflict/three-way.ts";
import type { ConflictPolicy } from "../settings.ts";
import { type Side, sameSides, withVisible } from "./side.ts";

/** Both sides of a conflict, and what they descend from. */
export interface Sides {
  readonly local: Side;
  /** Milliseconds since 1970 by the hub's clock, as both times. */
  readonly localModifiedAt: number;
  readonly remote: Side;
  readonly remoteModifiedAt: number;
  /** Null: not known. */
  readonly base: Side | null;
}

/** `local` and `merged` are written to the hub, on its current version. */
export type Decision =
  | { readonly winner: "remote"; readonly reason: string }
  | { readonly winner: "pending"; readonly reason: string }
  | { readonly winner: "local" | "merged"; readonly side: Side; readonly reason: string };

/**
 * Decides between an edit made here and the state of the hub. A pure function. A side that privacy withholds content from
 * speaks for the visible fields alone, so the other side's content stays whatever wins.
 */
export function decide(policy: ConflictPolicy, sides: Sides): Decision {
  switch (policy) {
    case "local_wins":
      return localWins(sides, "the policy is local_wins");
    case "remote_wins":
      return { winner: "remote", reason: "the policy is remote_wins" };
    case "manual":
      return { winner: "pending", reason: "the policy is manual" };
    case "last_write_wins":
      // Equal times fall to the hub: its version is the later one.
      return sides.localModifiedAt > sides.remoteModifiedAt
        ? localWins(sides, "the edit here is newer")
        : { winner: "remote", reason: "the hub's version is newer" };
    case "merge":
      return merge(sides);
  }
}

function localWins(sides: Sides, reason: string): Decision {
  const { local, remote } = sides;
  if (local.withheld && !remote.withheld && local.document !== null) {
    return { winner: "local", side: withVisible(remote, visibleOver(sides)), reason };
  }
  return { winner: "local", side: local, reason };
}

/** A redacted edit does not speak for the privacy: the hub's stays. */
function visibleOver({ local, remote }: Sides) {
  const document = local.document as NonNullable<Side["document"]>;
  return { ...document, privacy: remote.document?.privacy ?? document.privacy };
}

function merge(sides: Sides): Decision {
  const { local, remote, base } = sides;
  if (local.document === null || remote.document === null) return mergeEnding(sides);
  if (local.withheld !== remote.withheld) {
    return local.withheld
      ? localWins(sides, "merged: the content of the hub, the visible fields of the edit here")
      : {
          winner: "merged",
          side: withVisible(local, remote.document),
          reason: "merged: the visible fields of the hub",
        };
  }
  const localContent = { document: local.document, embedding: local.embedding };
  const remoteContent = { document: remote.document, embedding: remote.embedding };
  const known = base?.document != null && base.withheld === local.withheld;
  const baseContent = known ? { document: base.document, embedding: base.embedding } : null;
  const isLocalNewer = sides.localModifiedAt > sides.remoteModifiedAt;
  const merged = mergeContents(
    baseContent,
    isLocalNewer ? [localContent, remoteContent] : [remoteContent, localContent],
  );
  const reason = known ? "merged field by field" : "merged without a common base";
  if (sameContent(merged, remoteContent)) return { winner: "remote", reason: `${reason}: the hub has all of it` };
  const side: Side = { document: merged.document, embedding: merged.embedding, withheld: local.withheld };
  return { winner: sameSides(side, local) ? "local" : "merged", side, reason };
}

/** A deletion loses information, so a change wins over it, unless the other side changed nothing. */
function mergeEnding(sides: Sides): Decision {
  const { local, remote, base } = sides;
  const changed = local.document === null ? remote : local;
  const isUnchanged = base !== null && changed.document !== null && sameSides(changed, base);
  const winner = isUnchanged ? (local.document === null ? local : remote) : changed;
  const reason = isUnchanged ? "deleted, and unchanged on the other side" : "a change wins over a deletion";
  return winner === local ? { winner: "local", side: local, reason } : { winner: "remote", reason };
}
