import type { ConflictDetails, SideDifferences } from "../../api/documents.ts";
import { Card } from "../../components/card.tsx";
import { SidesDiffer } from "../../components/side-differences.tsx";

export function Differences({ conflict }: { readonly conflict: ConflictDetails }) {
  return (
    <Card title="How they differ">
      <SidesDiffer differences={conflict.differences as SideDifferences | null} store={conflict.store} />
    </Card>
  );
}
