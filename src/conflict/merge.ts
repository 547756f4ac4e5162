import { newestFirst, precedenceReason } from "./precedence.ts";
import type { Candidate, Conflict, ConflictStrategy, Resolution } from "./strategy.ts";
import { type Content, mergeContents, sameContent } from "./three-way.ts";

type LiveCandidate = Candidate & Content;

/**
 * Merges the sides instead of picking one.
 *
 * - *With a base*, field by field: a change of one side is kept; where several sides changed a field, the newest side's
 *   value is kept (see `latest_wins` for "newest"). `metadata` is merged key by key, plain objects inside it likewise;
 *   arrays are values like any other.
 * - *Without a base*, every side counts as changed: each field comes from the newest side, and metadata keys of all sides
 *   are kept.
 * - `embedding` and `embeddingModel` come from the side whose content won, so vector and text always fit.
 * - `privacy`: where several sides changed it, or no base is known, the strictest value wins rather than the newest.
 * - *A deletion against a change: the change wins*, since a deletion loses information. A deletion wins only where the
 *   base shows that no other side changed anything; without a base the live content stays. The same holds for metadata
 *   keys.
 *
 * Where one side already has the merged content, that side is chosen; otherwise a new content is written.
 */
export const merge: ConflictStrategy = {
  name: "merge",
  resolve(conflict) {
    const sorted = newestFirst(conflict);
    const [newest, ...older] = sorted.filter(isLive);
    const deletions = sorted.filter((candidate) => candidate.document === null);
    const base = baseContent(conflict);
    if (newest === undefined) return deletionWins(deletions, "every side deleted it");
    const live: [LiveCandidate, ...LiveCandidate[]] = [newest, ...older];
    if (deletions.length > 0 && base !== null && live.every((side) => sameContent(side, base))) {
      return deletionWins(deletions, `deleted, and unchanged elsewhere since version ${conflict.base?.version}`);
    }
    const merged = mergeContents(base, live);
    const against = deletions.length > 0 ? "a change wins over a deletion" : null;
    const origin =
      conflict.base !== null && base !== null ? `from version ${conflict.base.version}` : "no base is known";
    const same = conflict.precedence.find((source) =>
      live.some((side) => side.store === source && sameContent(side, merged)),
    );
    if (same !== undefined) {
      const reason = live.length === 1 ? precedenceReason(live) : `${same} holds all changes, ${origin}`;
      return { action: "choose", store: same, note: [against, reason].filter(Boolean).join("; ") };
    }
    const fields = Object.entries(merged.sources).map(([field, side]) => `${field} of ${side.store}`);
    const note = [against, `merged, ${origin}`, ...fields].filter(Boolean).join("; ");
    return { action: "write", document: merged.document, embedding: merged.embedding, note };
  },
};

function deletionWins(deletions: readonly Candidate[], note: string): Resolution {
  const [newest] = deletions;
  if (newest === undefined) return { action: "pending", note: "there is no candidate" };
  return { action: "choose", store: newest.store, note };
}

/** A base that is a deletion has no fields to compare with: it counts as no base. */
function baseContent({ base }: Conflict): Content | null {
  return base === null || base.document === null ? null : { document: base.document, embedding: base.embedding };
}

function isLive(candidate: Candidate): candidate is LiveCandidate {
  return candidate.document !== null;
}
