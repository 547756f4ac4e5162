import { useState } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { Outcome, Version } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { ConfirmDialog } from "../../components/dialog.tsx";
import { SelectField } from "../../components/field.tsx";
import { Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useAction } from "../../state/action.ts";
import { announce } from "../../state/announce.ts";
import { mayAct } from "../../state/session.ts";
import { exactTime } from "../../text/time.ts";
import { VersionDiffView } from "./version-diff.tsx";

export interface MemoryHistoryProps {
  readonly namespace: string;
  readonly memoryId: string;
  /** Newest first, not empty. */
  readonly versions: readonly Version[];
  /** There are older ones that are not listed. */
  readonly isCut: boolean;
  /** Lists more of them; null: it cannot. */
  readonly onMore: (() => void) | null;
  /** Whether the newest version is shown to readers. */
  readonly isAlive: boolean;
  readonly query: URLSearchParams;
  readonly onRestored: () => void;
}

/** The versions of a memory: compare any two, restore one. */
export function MemoryHistory(props: MemoryHistoryProps) {
  const { namespace, memoryId, versions, isCut, onMore, isAlive, query, onRestored } = props;
  const newest = versions[0]?.version ?? 0;
  const known = new Set(versions.map(({ version }) => version));
  const asked = (query.get("versions") ?? "").split("..").map(Number);
  const [from, setFrom] = useState(asked[0] && known.has(asked[0]) ? asked[0] : (versions[1]?.version ?? newest));
  const [to, setTo] = useState(asked[1] && known.has(asked[1]) ? asked[1] : newest);
  const [restoring, setRestoring] = useState<Version | null>(null);
  const restore = useAction((api, version: Version) =>
    api.post<Outcome>(memoryPath(namespace, memoryId, "rollback"), { toVersion: version.version }),
  );
  const choices = versions.map(({ version, modifiedAt, deleted }) => ({
    value: String(version),
    text: `${version}, ${exactTime(modifiedAt)}${deleted ? ", ended" : ""}`,
  }));

  return (
    <div class="stack">
      <Table
        label="Versions"
        rows={versions}
        keyOf={({ version }) => String(version)}
        columns={[
          { name: "Version", isRowHeader: true, isNumber: true, cell: ({ version }) => version },
          { name: "Written", cell: ({ modifiedAt }) => <Time at={modifiedAt} isExact /> },
          { name: "Content", cell: (version) => <Snippet version={version} /> },
          {
            name: "What to do",
            isNameHidden: true,
            cell: (version) => {
              const { deleted, version: number } = version;
              const isNow = number === newest && isAlive;
              if (isNow) return <span class="muted">current</span>;
              if (deleted || !mayAct.value) return null;
              return (
                <Button label={`Restore version ${number}`} onClick={() => setRestoring(version)}>
                  Restore
                </Button>
              );
            },
          },
        ]}
      />
      {isCut && (
        <div class="row">
          <span class="hint">Older versions are not listed.</span>
          {onMore !== null && <Button onClick={onMore}>List older ones</Button>}
        </div>
      )}
      {versions.length > 1 && (
        <section class="stack" aria-label="Compare versions">
          <h3>Compare</h3>
          <div class="filters">
            <SelectField
              label="From version"
              value={String(from)}
              onInput={(text) => setFrom(Number(text))}
              choices={choices}
            />
            <SelectField
              label="To version"
              value={String(to)}
              onInput={(text) => setTo(Number(text))}
              choices={choices}
            />
          </div>
          <VersionDiffView namespace={namespace} memoryId={memoryId} from={from} to={to} />
        </section>
      )}
      {restoring !== null && (
        <ConfirmDialog
          title={`Restore version ${restoring.version}?`}
          confirm="Restore"
          isBusy={restore.isUnderWay}
          error={restore.error}
          onClose={() => {
            restore.clear();
            setRestoring(null);
          }}
          onConfirm={async () => {
            const outcome = await restore.run(restoring);
            if (outcome === undefined) return;
            setRestoring(null);
            announce(`Version ${restoring.version} is restored as version ${outcome.version}`);
            onRestored();
          }}
        >
          <p>
            Its content is written as a new version. Nothing of the history goes, so this can be undone in the same way.
          </p>
          <div class="text-block">{contentOf(restoring) ?? "(no content)"}</div>
        </ConfirmDialog>
      )}
    </div>
  );
}

/** Characters of the content that a row shows. */
const SNIPPET_LENGTH = 160;

function Snippet({ version }: { readonly version: Version }) {
  if (version.deleted) return <Badge tone="neutral">{version.endedBy ?? "ended"}</Badge>;
  return <>{contentOf(version)?.slice(0, SNIPPET_LENGTH) ?? ""}</>;
}

function contentOf({ document }: Version): string | null {
  return typeof document?.content === "string" ? document.content : null;
}
