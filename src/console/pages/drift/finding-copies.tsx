import { LEDGER_ID } from "../../../domain/store-id.ts";
import type { MemoryCopy, SideDifferences } from "../../api/documents.ts";
import { sentence } from "../../components/feedback.tsx";
import { MemorySide } from "../../components/memory-side.tsx";
import { SidesDiffer } from "../../components/side-differences.tsx";

export interface FindingCopiesProps {
  /** In which the finding is. */
  readonly store: string;
  /** As they are now, the ledger's first. */
  readonly copies: readonly MemoryCopy[];
}

/** Both sides of a finding side by side, as they are now, and how they differ. */
export function FindingCopies({ store, copies }: FindingCopiesProps) {
  const own = copies.find((copy) => copy.store === store);
  // Damage in the ledger is seen beside the copies that a repair may take the content from.
  const shown = copies.filter((copy) => store === LEDGER_ID || copy.store === LEDGER_ID || copy === own);
  const others = copies.filter((copy) => !shown.includes(copy));
  const isOlderOrNewer = own?.version !== copies.find((copy) => copy.store === LEDGER_ID)?.version;
  return (
    <>
      {own === undefined && <p class="muted">The node that answered does not run {store}, so its side is not shown.</p>}
      {own !== undefined && own.drift === null && own.state !== "unanswered" && (
        <p class="muted">
          {store === LEDGER_ID ? "Its data are sound now" : "It agrees with the ledger now"}: check again.
        </p>
      )}
      <div class="columns">
        {shown.map((copy) => (
          <Copy key={copy.store} copy={copy} />
        ))}
      </div>
      {own !== undefined && own.differences !== null && (isOlderOrNewer || !own.differences.same) && (
        <section class="stack" aria-label="How they differ">
          <SidesDiffer differences={own.differences as unknown as SideDifferences} store={store} />
        </section>
      )}
      {others.map((copy) => (
        <p key={copy.store} class="muted">
          {copy.store}: {sentence(standing(copy))}
        </p>
      ))}
    </>
  );
}

function Copy({ copy }: { readonly copy: MemoryCopy }) {
  const { store, state, holds, note, error } = copy;
  const title = store === LEDGER_ID ? "The ledger's side" : `The side of ${store}`;
  const isVectorAlone = state === "live" && !holds.includes("documents");
  return (
    <section class="diff-side" aria-label={title}>
      <h3>{title}</h3>
      {error !== undefined && <p class="muted">It gave no answer: {error.message}.</p>}
      {note !== null && <p class="hint">{sentence(note)}</p>}
      <MemorySide title={title} side={copy} none={NONE[isVectorAlone ? "vector" : state]} />
    </section>
  );
}

const NONE: Readonly<Record<MemoryCopy["state"] | "vector", string>> = {
  live: "No content is shown.",
  vector: "It has the vector alone.",
  tombstone: "The memory has ended there.",
  malformed: "What stands there is no memory.",
  nothing: "Nothing is there.",
  unanswered: "What it holds is not known.",
};

function standing({ state, drift }: MemoryCopy): string {
  if (state === "unanswered") return "it gave no answer";
  return drift === null ? "it agrees with the ledger" : `${drift.kind}, ${drift.evidence}`;
}
