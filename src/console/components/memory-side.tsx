import type { ConflictSide } from "../api/documents.ts";
import { Facts } from "./card.tsx";
import { JsonView } from "./json-view.tsx";
import { Time } from "./time.tsx";

export interface MemorySideProps {
  /** Names the side, for screen readers. */
  readonly title: string;
  readonly side: ConflictSide;
  /** Told where the side has no document. */
  readonly none: string;
}

/** What one side holds of a memory: its content, and what is known of its version. */
export function MemorySide({ title, side, none }: MemorySideProps) {
  const { document, raw, version, versionVector, modifiedAt, dimension, checksum } = side;
  const said: Readonly<Record<string, unknown>> = document ?? {};
  const { content, metadata, ...rest } = said;
  const hasMetadata = typeof metadata === "object" && metadata !== null && Object.keys(metadata).length > 0;
  return (
    <>
      {document !== null && (
        <div class="text-block">
          {typeof content === "string" && content !== "" ? content : <span class="muted">(empty)</span>}
        </div>
      )}
      {document === null && raw === null && <p class="muted">{none}</p>}
      {raw !== null && (
        <>
          <p class="muted">What stood there is no memory:</p>
          <div class="text-block">{raw}</div>
        </>
      )}
      <Facts
        facts={[
          { name: "Version", value: version ?? "none" },
          { name: "Written", value: <Time at={modifiedAt} never="not told" isExact /> },
          typeof rest.memoryType === "string" && { name: "Type", value: rest.memoryType },
          typeof rest.importance === "number" && { name: "Importance", value: rest.importance },
          typeof rest.privacy === "string" && { name: "Privacy", value: rest.privacy },
          { name: "Vector", value: dimension === null ? "none" : `${dimension} numbers` },
          versionVector !== null && {
            name: "Writers",
            value: Object.entries(versionVector)
              .map(([writer, writes]) => `${writer}: ${String(writes)}`)
              .join(", "),
          },
          checksum !== null && { name: "Checksum", value: <code>{checksum}</code> },
        ]}
      />
      {hasMetadata && <JsonView value={metadata} label={`Metadata, ${title.toLowerCase()}`} />}
    </>
  );
}
