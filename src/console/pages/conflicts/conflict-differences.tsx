import type { ConflictDetails, SideDifferences } from "../../api/documents.ts";
import { Card } from "../../components/card.tsx";
import { FieldDiff, nameOfPointer } from "../../components/field-diff.tsx";
import { whole } from "../../text/numbers.ts";

/** How the sides differ, field by field and word by word. */
export function Differences({ conflict }: { readonly conflict: ConflictDetails }) {
  const differences = conflict.differences as SideDifferences | null;
  return (
    <Card title="How they differ">
      {differences === null && <p class="muted">One of the sides is no memory, so there are no fields to compare.</p>}
      {differences?.same && <p class="muted">Their contents are equal; only their versions differ.</p>}
      {differences?.leftDeleted && <p>The ledger has no content of it.</p>}
      {differences?.rightDeleted && <p>{conflict.store} has no content of it.</p>}
      {differences !== null && (
        <FieldDiff
          changes={differences.fields.map(({ path, left, right }) => ({
            name: nameOfPointer(path),
            before: left,
            after: right,
          }))}
          beforeName="Ledger"
          afterName={conflict.store}
        />
      )}
      {differences !== null && <p>{vectorText(differences.embedding, conflict.store)}</p>}
    </Card>
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
