import type { Queue } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded, Message } from "../../components/feedback.tsx";
import { MemoryLink } from "../../components/memory-link.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PauseButton } from "../../components/pause-button.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { counted } from "../../text/numbers.ts";

type Entry = Queue["entries"][number];

/** Rows that are shown: dead letters first, then the oldest. */
const SHOWN_MAX = 200;
const REFRESH_MS = 5_000;

const STATES: Readonly<Record<Entry["state"], { tone: "bad" | "neutral" | "busy"; text: string }>> = {
  dead: { tone: "bad", text: "given up" },
  pending: { tone: "neutral", text: "waits" },
  claimed: { tone: "busy", text: "is published" },
};

const COLUMNS: readonly Column<Entry>[] = [
  {
    name: "Memory",
    isRowHeader: true,
    cell: ({ namespace, memoryId }) => <MemoryLink namespace={namespace} memoryId={memoryId} />,
  },
  { name: "Store", cell: ({ store, nodeId }) => (nodeId === "" ? store : `${store} of ${nodeId}`) },
  {
    name: "State",
    cell: ({ state }) => <Badge tone={STATES[state].tone}>{STATES[state].text}</Badge>,
  },
  { name: "Attempts", isNumber: true, cell: ({ attempts }) => attempts },
  { name: "Waits since", cell: ({ enqueuedAt }) => <Time at={enqueuedAt} /> },
  {
    name: "Next attempt",
    cell: ({ state, nextAttemptAt }) => (state === "dead" ? "on demand" : <Time at={nextAttemptAt} />),
  },
  { name: "Last error", cell: ({ lastError }) => lastError ?? <span class="muted">none</span> },
];

export function BacklogCard() {
  const queue = useResource((api, signal) => api.get<Queue>("v1/queue", { query: { limit: SHOWN_MAX }, signal }), [], {
    everyMs: REFRESH_MS,
  });
  return (
    <Card title="Backlog" aside={queue.value && <Orders queue={queue.value} onDone={queue.reload} />}>
      <Loaded resource={queue} what="the backlog">
        {({ paused, entries }) => (
          <>
            {paused && (
              <Message kind="warning">
                The backlog is paused on every node: nothing is published until it is resumed. Writes go on.
              </Message>
            )}
            {entries.length === 0 ? (
              <EmptyState title="Nothing waits: every store has every memory." />
            ) : (
              <Table
                label="Memories that wait for a store"
                columns={COLUMNS}
                rows={entries}
                keyOf={({ store, nodeId, namespace, memoryId }) => `${store} ${nodeId} ${namespace} ${memoryId}`}
              />
            )}
            {entries.length === SHOWN_MAX && <p class="hint">The first {SHOWN_MAX} are shown; there may be more.</p>}
          </>
        )}
      </Loaded>
    </Card>
  );
}

function Orders({ queue: { paused, entries }, onDone }: { readonly queue: Queue; readonly onDone: () => void }) {
  if (!mayAct.value) return null;
  const hasDead = entries.some(({ state }) => state === "dead");
  return (
    <>
      {hasDead && (
        <>
          <OrderButton
            onDone={onDone}
            act={async (api) => {
              const { memories } = await api.post<{ memories: number }>("v1/queue/retry");
              return `${counted(memories, "dead letter")} will be tried again.`;
            }}
          >
            Retry dead letters
          </OrderButton>
          <OrderButton
            look="danger"
            onDone={onDone}
            confirm={{
              title: "Drop all dead letters?",
              text: "Their stores stay behind until a check finds the drift and a repair mends it.",
            }}
            act={async (api) => {
              const { memories } = await api.post<{ memories: number }>("v1/queue/drop");
              return `${counted(memories, "dead letter")} dropped.`;
            }}
          >
            Drop dead letters
          </OrderButton>
        </>
      )}
      <PauseButton
        isPaused={paused}
        address="v1/queue"
        onDone={onDone}
        told={{ paused: "The backlog is paused.", resumed: "The backlog is resumed." }}
        confirm={{
          title: "Pause the backlog?",
          text: "On every node, until it is resumed, also across restarts. Stores fall behind meanwhile; writes go on.",
        }}
      />
    </>
  );
}
