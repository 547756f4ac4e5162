import type { SideDifferences } from "../api/documents.ts";
import { whole } from "../text/numbers.ts";
import { FieldDiff, nameOfPointer } from "./field-diff.tsx";

export interface SidesDifferProps {
  /** From the ledger's side to the store's; null: one of them is no memory. */
  readonly differences: SideDifferences | null;
  readonly store: string;
}

/** How the ledger's side and a store's differ, field by field and word by word. */
export function SidesDiffer({ differences, store }: SidesDifferProps) {
  return (
    <>
      {differences === null && <p class="muted">One of the sides is no memory, so there are no fields to compare.</p>}
      {differences?.same && <p class="muted">Their contents are equal; only their versions differ.</p>}
      {differences?.leftDeleted && <p>The ledger has no content of it.</p>}
      {differences?.rightDeleted && <p>{store} has no content of it.</p>}
      {differences !== null && (
        <FieldDiff
          changes={differences.fields.map(({ path, left, right }) => ({
            name: nameOfPointer(path),
            before: left,
            after: right,
          }))}
          beforeName="Ledger"
          afterName={store}
        />
      )}
      {differences !== null && <p>{vectorText(differences.embedding, store)}</p>}
    </>
  );
}

function vectorText(embedding: SideDifferences["embedding"], store: string): string {
  switch (embedding.outcome) {
    case "none":
      return "Neither side has a vector.";
    case "same":
      return "The vectors are equal, bit by bit.";
    case "different": {
      const largest = embedding.differenceMax === null ? "" : `, by ${embedding.differenceMax.toPrecision(3)} at most`;
      return `The vectors differ in ${whole(embedding.differing)} of ${whole(embedding.components)} numbers${largest}.`;
    }
    case "left_only":
      return "Only the ledger has a vector.";
    case "right_only":
      return `Only ${store} has a vector.`;
    case "other_dimension":
      return `The vectors have ${whole(embedding.leftComponents)} and ${whole(embedding.rightComponents)} numbers: they are of different models.`;
  }
}
