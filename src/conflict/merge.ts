import { newestFirst, precedenceReason, STORE_ORDER } from "./precedence.ts";
import type { Candidate, Conflict, ConflictStrategy, Resolution } from "./strategy.ts";
import { type Content, mergeContents, sameContent } from "./three-way.ts";

type LiveCandidate = Candidate & Content;

/**
 * Brings the sides together instead of picking one.
 *
 * - *With a base*, field by field: what one side changed is kept; where several changed the same field, the newest side
 *   has it (see `latest_wins` for "newest"). `metadata` is merged key by key, plain objects inside it likewise; arrays
 *   are values like any other.
 * - *Without*, every side counts as changed: the newest side has each field, and metadata keys of all sides are kept.
 * - `embedding` and `embeddingModel` come from the side whose content won, so vector and text always fit.
 * - `privacy`: where several sides changed it, or no base is known, the strictest wins rather than the newest.
 * - *A deletion against a change: the change wins*, for a delete loses information. A deletion wins only where the base
 *   shows that no other side changed anything; without a base, what is there stays. The same goes for metadata keys.
 *
 * Where the result is what one side has already, that side is chosen; otherwise a new content is written.
 */
export const merge: ConflictStrategy = {
  name: "merge",
  resolve(conflict) {
    const sorted = newestFirst(conflict.candidates);
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
    const same = STORE_ORDER.find((store) => live.some((side) => side.store === store && sameContent(side, merged)));
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

/** A base that is a deletion says nothing of the fields: as good as none. */
function baseContent({ base }: Conflict): Content | null {
  return base === null || base.document === null ? null : { document: base.document, embedding: base.embedding };
}

function isLive(candidate: Candidate): candidate is LiveCandidate {
  return candidate.document !== null;
}
