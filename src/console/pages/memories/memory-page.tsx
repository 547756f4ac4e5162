import { useState } from "preact/hooks";
import { ApiError } from "../../api/api-error.ts";
import { memoryPath } from "../../api/client.ts";
import type { Erasure, Memory, Version } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { ErrorState, Loaded, Loading, Message } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { mayAct } from "../../state/session.ts";
import { EditDialog } from "./edit-dialog.tsx";
import { EraseDialog } from "./erase-dialog.tsx";
import { ErasureReceipt } from "./erasure-receipt.tsx";
import { readHistory, VERSIONS_FIRST, VERSIONS_MAX } from "./history.ts";
import { MemoryHistory } from "./memory-history.tsx";
import { MemoryView } from "./memory-view.tsx";
import { ReviveButton } from "./revive-button.tsx";

export interface MemoryPageProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly query: URLSearchParams;
}

/** One memory: what it says now, how it came to that, and what can be done with it. */
export function MemoryPage({ namespace, memoryId, query }: MemoryPageProps) {
  const [open, setOpen] = useState<"edit" | "erase" | null>(null);
  const [limit, setLimit] = useState(VERSIONS_FIRST);
  const [erasure, setErasure] = useState<Erasure | null>(null);
  const memory = useResource<Memory | null>(
    async (api, signal) => {
      try {
        return await api.get<Memory>(memoryPath(namespace, memoryId), { query: { createdAt: true }, signal });
      } catch (error) {
        // There may be a history of it all the same.
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    [namespace, memoryId],
  );
  const history = useResource(
    (api, signal) => readHistory(api, { namespace, memoryId }, limit, signal),
    [namespace, memoryId, limit],
  );
  const reload = () => {
    memory.reload();
    history.reload();
  };
  const current = memory.value;
  const versions = history.value?.versions;
  const last = versions?.[0];

  return (
    <>
      <PageHead
        title={memoryId}
        about={
          <>
            Memory of <a href={linkTo("memories", [namespace])}>{namespace}</a>
          </>
        }
      >
        {mayAct.value && current && <Button onClick={() => setOpen("edit")}>Edit</Button>}
        {mayAct.value && (current || (versions?.length ?? 0) > 0) && last?.endedBy !== "erased" && (
          <Button look="danger" onClick={() => setOpen("erase")}>
            Erase
          </Button>
        )}
      </PageHead>
      {erasure !== null && <ErasureReceipt namespace={namespace} erasure={erasure} onAdvance={reload} />}
      {memory.error !== null && <ErrorState error={memory.error} onRetry={memory.reload} />}
      {current === undefined && memory.error === null && <Loading what="the memory" />}
      {current === null && versions !== undefined && (
        <Ended namespace={namespace} memoryId={memoryId} last={last} onRevived={reload} />
      )}
      {current && <MemoryView memory={current} />}
      <Card title="History">
        <Loaded resource={history} what="the history">
          {(read) =>
            read.versions.length === 0 ? (
              <p class="muted">The ledger keeps no version of it.</p>
            ) : (
              // A new version is compared with the one before it.
              <MemoryHistory
                key={last?.version}
                namespace={namespace}
                memoryId={memoryId}
                versions={read.versions}
                isCut={read.versions.length >= read.limit}
                onMore={limit === VERSIONS_FIRST && read.limit === limit ? () => setLimit(VERSIONS_MAX) : null}
                isAlive={Boolean(current)}
                query={query}
                onRestored={reload}
              />
            )
          }
        </Loaded>
      </Card>
      {open === "edit" && current && (
        <EditDialog
          memory={current}
          onClose={() => setOpen(null)}
          onSaved={() => {
            setOpen(null);
            reload();
          }}
          onReload={reload}
        />
      )}
      {open === "erase" && (
        <EraseDialog
          namespace={namespace}
          memoryId={memoryId}
          onClose={() => setOpen(null)}
          onErased={(receipt) => {
            setOpen(null);
            setErasure(receipt);
            reload();
          }}
        />
      )}
    </>
  );
}

interface EndedProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly last: Version | undefined;
  readonly onRevived: () => void;
}

const ENDINGS: Readonly<Record<NonNullable<Version["endedBy"]>, string>> = {
  expired: "It has expired. An older version can be restored below.",
  deleted: "It was deleted. An older version can be restored below.",
  withdrawn: "Its origin no longer shares it. An older version can be restored below.",
  erased: "It was erased: its content is gone from every store and will not come back. Its id is suppressed.",
};

function Ended({ namespace, memoryId, last, onRevived }: EndedProps) {
  const ending = last?.endedBy;
  return (
    <Message kind="warning">
      <p>
        <strong>There is no such memory now.</strong> {ending !== undefined && ENDINGS[ending]}
        {ending === undefined && last !== undefined && "Its expiry has passed. An older version can be restored below."}
        {last === undefined && "The id may be misspelt, or the ledger no longer keeps its history."}
      </p>
      {ending === "erased" && mayAct.value && (
        <ReviveButton namespace={namespace} memoryId={memoryId} onRevived={onRevived} />
      )}
    </Message>
  );
}
