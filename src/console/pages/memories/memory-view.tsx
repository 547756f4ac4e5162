import type { Memory } from "../../api/documents.ts";
import { Card, Facts } from "../../components/card.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Time } from "../../components/time.tsx";

/** What a memory says, and what is known of it. */
export function MemoryView({ memory }: { readonly memory: Memory }) {
  const hasMetadata = Object.keys(memory.metadata).length > 0;
  return (
    <Card title="Content">
      <div class="text-block">{memory.content === "" ? <span class="muted">(empty)</span> : memory.content}</div>
      <Facts
        facts={[
          { name: "Type", value: memory.memoryType },
          { name: "Importance", value: memory.importance },
          { name: "Privacy", value: memory.privacy },
          { name: "Version", value: memory.version },
          { name: "Changed", value: <Time at={memory.modifiedAt} isExact /> },
          { name: "Created", value: <Time at={memory.createdAt} never="not told" isExact /> },
          { name: "Expires", value: <Time at={memory.expiresAt} isExact /> },
          {
            name: "Vector",
            value:
              memory.dimension === null
                ? "none"
                : `${memory.dimension} numbers, ${memory.embeddingModel ?? "no model named"}`,
          },
          { name: "Answered by", value: memory.source },
          { name: "Checksum", value: <code>{memory.checksum}</code> },
        ]}
      />
      {hasMetadata && (
        <div class="stack stack-close">
          <h3>Metadata</h3>
          <JsonView value={memory.metadata} label="Metadata" />
        </div>
      )}
    </Card>
  );
}
