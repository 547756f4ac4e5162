import type { Sample, Status, StoreStatus } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { Table } from "../../components/table.tsx";
import { whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";

const TONES: Readonly<Record<StoreStatus["state"], Tone>> = { healthy: "good", degraded: "warning", down: "bad" };

export function StoresCard({ status, samples }: { readonly status: Status; readonly samples: readonly Sample[] }) {
  const lags = samples.at(-1)?.lagSeconds ?? {};
  const rows = Object.entries(status.stores).map(([id, store]) => ({ id, ...store, lag: lags[id] ?? null }));
  return (
    <Card title="Stores">
      <Table
        label="Stores"
        rows={rows}
        keyOf={({ id }) => id}
        columns={[
          { name: "Store", isRowHeader: true, cell: ({ id }) => id },
          { name: "State", cell: ({ state }) => <Badge tone={TONES[state]}>{state}</Badge> },
          {
            name: "Memories",
            isNumber: true,
            cell: ({ memories }) => (memories === null ? <span class="muted">not told</span> : whole(memories)),
          },
          {
            name: "Behind by",
            isNumber: true,
            cell: ({ lag }) => (lag === null ? <span class="muted">not told</span> : duration(lag)),
          },
          {
            name: "Reason",
            cell: ({ reason, state }) => reason ?? (state === "healthy" ? "" : "not told to this key"),
          },
        ]}
      />
    </Card>
  );
}
