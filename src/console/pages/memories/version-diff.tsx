import { memoryPath } from "../../api/client.ts";
import type { VersionDiff } from "../../api/documents.ts";
import { Loaded } from "../../components/feedback.tsx";
import { FieldDiff } from "../../components/field-diff.tsx";
import { useResource } from "../../state/resource.ts";

export interface VersionDiffProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly from: number;
  readonly to: number;
}

/** How two versions differ, field by field and word by word. */
export function VersionDiffView({ namespace, memoryId, from, to }: VersionDiffProps) {
  const isSame = from === to;
  const resource = useResource<VersionDiff>(
    (api, signal) => api.get(memoryPath(namespace, memoryId, "diff"), { query: { from, to }, signal }),
    [namespace, memoryId, from, to],
    { enabled: !isSame },
  );
  if (isSame) return <p class="muted">Choose two versions to see how they differ.</p>;
  return (
    <Loaded resource={resource} what="the difference">
      {({ fields, embeddingChanged }) => (
        <div class="stack">
          {fields.length === 0 && !embeddingChanged && <p class="muted">The two versions are equal.</p>}
          {embeddingChanged && <p>The vector differs.</p>}
          <FieldDiff
            changes={fields.map(({ path, before, after }) => ({
              name: path === "" ? "(the whole memory)" : path,
              // A field that one version lacks is null here.
              before: before ?? undefined,
              after: after ?? undefined,
            }))}
            beforeName={`Version ${from}`}
            afterName={`Version ${to}`}
          />
        </div>
      )}
    </Loaded>
  );
}
