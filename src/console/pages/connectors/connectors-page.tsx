import type { ConnectorStatus } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import type { PageProps } from "../../page-props.ts";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { whole } from "../../text/numbers.ts";
import { ConnectorDetail } from "./connector-detail.tsx";
import { RUN_TONES } from "./runs-card.tsx";
import { StateBadge } from "./state-badge.tsx";

const REFRESH_MS = 5_000;

const DIRECTIONS = { import: "in", deliver: "out", pipe: "through" } as const;

const COLUMNS: readonly Column<ConnectorStatus>[] = [
  {
    name: "Connector",
    isRowHeader: true,
    cell: ({ id }) => <a href={linkTo("connectors", [id])}>{id}</a>,
  },
  { name: "State", cell: (status) => <StateBadge status={status} /> },
  {
    name: "Direction",
    cell: ({ direction }) => (direction === null ? <span class="muted">not known</span> : DIRECTIONS[direction]),
  },
  {
    name: "Last run",
    cell: ({ lastRun }) =>
      lastRun === null ? (
        <span class="muted">never</span>
      ) : (
        <>
          <Badge tone={RUN_TONES[lastRun.state]}>{lastRun.state}</Badge>{" "}
          <Time at={lastRun.endedAt ?? lastRun.startedAt} />
        </>
      ),
  },
  { name: "Succeeded", cell: ({ lastSuccessAt }) => <Time at={lastSuccessAt} /> },
  { name: "Next run", cell: ({ nextRunAt }) => <Time at={nextRunAt} never="on demand" /> },
  { name: "Dead letters", isNumber: true, cell: ({ deadLetters }) => whole(deadLetters) },
];

/** Connectors to other services. An id behind the page's name shows that connector. */
export function ConnectorsPage({ path: [id] }: PageProps) {
  return id === undefined ? <ConnectorList /> : <ConnectorDetail key={id} id={id} />;
}

function ConnectorList() {
  const connectors = useResource(
    (api, signal) => api.get<{ connectors: ConnectorStatus[] }>("v1/connectors", { signal }),
    [],
    { everyMs: REFRESH_MS },
  );
  return (
    <>
      <PageHead title="Connectors" />
      <Card title="All connectors">
        <Loaded resource={connectors} what="the connectors">
          {({ connectors: listed }) =>
            listed.length === 0 ? (
              <EmptyState title="No connector is set up.">
                <p>
                  A connector brings memories in from another service, or sends them out:{" "}
                  <code>mnemosync connector add</code>, or <code>connectors.definitions</code> in the settings.
                </p>
              </EmptyState>
            ) : (
              <Table label="Connectors" columns={COLUMNS} rows={listed} keyOf={({ id }) => id} />
            )
          }
        </Loaded>
      </Card>
    </>
  );
}
