import type { ConnectorRun } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { PagedTable, usePages } from "../../components/pager.tsx";
import type { Column } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { took } from "../../text/time.ts";
import { countsText } from "./counts-text.ts";
import { useReloadAfter } from "./reload-after.ts";

const PAGE = 20;
const REFRESH_MS = 10_000;

export const RUN_TONES: Readonly<Record<ConnectorRun["state"], Tone>> = {
  queued: "busy",
  running: "busy",
  succeeded: "good",
  partial: "warning",
  failed: "bad",
  cancelled: "neutral",
  interrupted: "warning",
};

const COLUMNS: readonly Column<ConnectorRun>[] = [
  {
    name: "Began",
    isRowHeader: true,
    cell: ({ startedAt }) => <Time at={startedAt} never="waits for a node" />,
  },
  { name: "State", cell: ({ state }) => <Badge tone={RUN_TONES[state]}>{state}</Badge> },
  { name: "Scope", cell: ({ scope, dryRun }) => (dryRun ? `${scope}, counted only` : scope) },
  { name: "Did", cell: ({ counts }) => countsText(counts) || <span class="muted">nothing</span> },
  {
    name: "Delivered",
    cell: ({ delivery }) => (delivery === null ? "" : countsText(delivery.counts) || delivery.state),
  },
  { name: "Took", isNumber: true, cell: ({ startedAt, endedAt }) => took(startedAt, endedAt) },
  {
    name: "Error",
    cell: ({ error, delivery }) => error?.message ?? delivery?.error?.message ?? <span class="muted">none</span>,
  },
];

export function RunsCard({ address, changes }: { readonly address: string; readonly changes: string }) {
  const pages = usePages();
  const { after: before } = pages;
  const runs = useResource(
    (api, signal) => api.get<{ runs: ConnectorRun[] }>(`${address}/runs`, { query: { limit: PAGE, before }, signal }),
    [address, before],
    { everyMs: REFRESH_MS },
  );
  useReloadAfter(changes, runs.reload);
  return (
    <Card title="Runs">
      <Loaded resource={runs} what="the runs">
        {({ runs: listed }) => (
          <PagedTable
            label="Runs, newest first"
            columns={COLUMNS}
            rows={listed}
            keyOf={({ id }) => id}
            pages={pages}
            next={listed.length < PAGE ? null : (listed.at(-1)?.id ?? null)}
            what="the runs"
            empty={<EmptyState title="It has not run yet." />}
          />
        )}
      </Loaded>
    </Card>
  );
}
