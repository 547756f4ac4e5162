import type { ReplicaLetter } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { MemoryLink } from "../../components/memory-link.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PagedTable, usePages } from "../../components/pager.tsx";
import type { Column } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { counted } from "../../text/numbers.ts";

const PAGE = 100;

/** Memories that the replica refused. */
export function LettersCard({ onDone }: { readonly onDone: () => void }) {
  const pages = usePages();
  const { after } = pages;
  const letters = useResource(
    (api, signal) =>
      api.get<{ deadLetters: ReplicaLetter[] }>("v1/replica/dead-letters", { query: { limit: PAGE, after }, signal }),
    [after],
  );
  const reload = () => {
    letters.reload();
    onDone();
  };
  return (
    <Card
      title="Dead letters"
      aside={mayAct.value && (letters.value?.deadLetters.length ?? 0) > 0 && <Orders onDone={reload} />}
    >
      <Loaded resource={letters} what="the dead letters">
        {({ deadLetters }) => (
          <PagedTable
            label="Memories that the replica refused"
            columns={columnsOf(reload)}
            rows={deadLetters}
            keyOf={({ id }) => id}
            pages={pages}
            next={deadLetters.length < PAGE ? null : (deadLetters.at(-1)?.id ?? null)}
            what="the dead letters"
            empty={<EmptyState title="The replica refuses nothing." />}
          />
        )}
      </Loaded>
    </Card>
  );
}

function columnsOf(reload: () => void): readonly Column<ReplicaLetter>[] {
  return [
    {
      name: "Memory",
      isRowHeader: true,
      cell: ({ namespace, memoryId }) => <MemoryLink namespace={namespace} memoryId={memoryId} />,
    },
    { name: "Change", cell: ({ operation }) => operation },
    { name: "Refused", cell: ({ at }) => <Time at={at} /> },
    { name: "Attempts", isNumber: true, cell: ({ attempts }) => attempts },
    {
      name: "Next attempt",
      cell: ({ nextAttemptAt }) =>
        nextAttemptAt === null ? <Badge tone="bad">given up</Badge> : <Time at={nextAttemptAt} />,
    },
    { name: "Last error", cell: ({ lastError }) => lastError },
    {
      name: "Orders",
      isNameHidden: true,
      cell: ({ id, namespace, memoryId }) =>
        mayAct.value && (
          <OrderButton
            label={`Retry ${namespace}/${memoryId}`}
            onDone={reload}
            act={async (api) => {
              await api.post("v1/replica/dead-letters/retry", { id });
              return `${memoryId} will be tried again.`;
            }}
          >
            Retry
          </OrderButton>
        ),
    },
  ];
}

function Orders({ onDone }: { readonly onDone: () => void }) {
  return (
    <>
      <OrderButton
        onDone={onDone}
        act={async (api) => {
          const { memories } = await api.post<{ memories: number }>("v1/replica/dead-letters/retry", {});
          return `${counted(memories, "memory", "memories")} will be tried again.`;
        }}
      >
        Retry all
      </OrderButton>
      <OrderButton
        look="danger"
        onDone={onDone}
        confirm={{
          title: "Drop all dead letters?",
          text: "The replica does without these memories. Endings (deletions, erasures) are kept, since the replica must not show what is gone.",
        }}
        act={async (api) => {
          const { dropped, kept } = await api.post<{ dropped: number; kept: number }>(
            "v1/replica/dead-letters/drop",
            {},
          );
          return `${counted(dropped, "dead letter")} dropped${kept === 0 ? "" : `, ${counted(kept, "ending")} kept`}.`;
        }}
      >
        Drop all
      </OrderButton>
    </>
  );
}
