import { pathOf } from "../../api/client.ts";
import type { Device } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { PagedTable, usePages } from "../../components/pager.tsx";
import type { Column } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";

interface DevicePage {
  readonly devices: readonly Device[];
  readonly after: string | null;
}

const PAGE = 100;
const REFRESH_MS = 10_000;

/** Edges: devices that keep memories of their own and push what they change to this hub. */
export function EdgesPage() {
  const pages = usePages();
  const { after } = pages;
  const devices = useResource(
    (api, signal) => api.get<DevicePage>("v1/hub/devices", { query: { limit: PAGE, after }, signal }),
    [after],
    { everyMs: REFRESH_MS },
  );
  return (
    <>
      <PageHead title="Edges" />
      <Card title="Devices">
        <Loaded resource={devices} what="the devices">
          {({ devices: listed, after: next }) => (
            <PagedTable
              label="Devices"
              columns={columnsOf(devices.reload)}
              rows={listed}
              keyOf={({ device }) => device}
              pages={pages}
              next={next}
              what="the devices"
              empty={
                <EmptyState title="No device has called this hub yet.">
                  <p>
                    An edge keeps an agent's memories in one SQLite file and works offline: <code>mnemosync edge</code>{" "}
                    with this service's address as <code>edge.hub</code>.
                  </p>
                </EmptyState>
              }
            />
          )}
        </Loaded>
      </Card>
    </>
  );
}

function columnsOf(reload: () => void): readonly Column<Device>[] {
  return [
    {
      name: "Device",
      isRowHeader: true,
      cell: ({ device, name }) => (
        <>
          {name ?? <span class="muted">without a name</span>}
          <br />
          <code class="hint">{device}</code>
        </>
      ),
    },
    {
      name: "State",
      cell: ({ state }) => <Badge tone={state === "active" ? "good" : "bad"}>{state}</Badge>,
    },
    { name: "Owner", cell: ({ owner }) => <code>{owner}</code> },
    { name: "Last seen", cell: ({ lastSeenAt }) => <Time at={lastSeenAt} /> },
    { name: "Last read", cell: ({ readAt }) => <Time at={readAt} /> },
    {
      name: "Behind by",
      isNumber: true,
      cell: ({ behindSeconds }) => (behindSeconds === null ? "reads anew" : duration(behindSeconds)),
    },
    { name: "Unsettled", isNumber: true, cell: ({ unsettled }) => whole(unsettled) },
    { name: "First seen", cell: ({ firstSeenAt }) => <Time at={firstSeenAt} /> },
    {
      name: "Orders",
      isNameHidden: true,
      cell: (device) => mayAct.value && <DeviceOrder device={device} onDone={reload} />,
    },
  ];
}

function DeviceOrder({
  device: { device, name, state },
  onDone,
}: {
  readonly device: Device;
  readonly onDone: () => void;
}) {
  const shown = name ?? device;
  const address = pathOf("v1", "hub", "devices", device);
  if (state === "revoked") {
    return (
      <OrderButton
        label={`Admit ${shown} again`}
        onDone={onDone}
        act={async (api) => {
          await api.post(`${address}/admit`);
          return `${shown} may push and read again.`;
        }}
      >
        Admit
      </OrderButton>
    );
  }
  return (
    <OrderButton
      look="danger"
      label={`Revoke ${shown}`}
      onDone={onDone}
      confirm={{
        title: `Revoke ${shown}?`,
        text: "Its calls are refused from now on. What it has pushed stays, and it no longer holds deletions from being pruned.",
      }}
      act={async (api) => {
        await api.delete(address);
        return `${shown} is revoked.`;
      }}
    >
      Revoke
    </OrderButton>
  );
}
