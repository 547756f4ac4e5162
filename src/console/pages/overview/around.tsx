import type { Conflict, ConnectorStatus, Device, Queue, Replica } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { ErrorText, Loading } from "../../components/feedback.tsx";
import { Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { type Resource, useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { isOperator } from "../../state/session.ts";
import { atLeast, counted, whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";
import { StateBadge } from "../connectors/state-badge.tsx";
import { replicaTone } from "../replica/replica-tone.ts";
import type { Known } from "./problems.ts";

/** Milliseconds between two readings of what no stream tells. */
const EVERY_MS = 15_000;

/** What is around the core, and what the status does not say. Only operators are told. */
export interface AroundReadings {
  readonly known: Omit<Known, "status">;
  readonly connectors: Resource<{ readonly connectors: readonly ConnectorStatus[] }>;
  readonly replica: Resource<Replica>;
  readonly devices: Resource<Devices>;
}

/** The first 1,000 of them. */
interface Devices {
  readonly devices: readonly Device[];
  /** Where the next page would begin; null: these are all. */
  readonly after: string | null;
}

export function useAround(): AroundReadings {
  const options = { everyMs: EVERY_MS, enabled: isOperator.value };
  const connectors = useResource<{ connectors: readonly ConnectorStatus[] }>(
    (api, signal) => api.get("v1/connectors", { signal }),
    [],
    options,
  );
  const replica = useResource<Replica>((api, signal) => api.get("v1/replica", { signal }), [], options);
  const devices = useResource<Devices>(
    (api, signal) => api.get("v1/hub/devices", { signal, query: { limit: 1_000 } }),
    [],
    options,
  );
  const queue = useResource<Queue>((api, signal) => api.get("v1/queue", { signal, query: { limit: 1 } }), [], options);
  const conflicts = useResource<{ conflicts: readonly Conflict[] }>(
    (api, signal) => api.get("v1/conflicts", { signal, query: { limit: 1_000 } }),
    [],
    options,
  );
  return {
    known: {
      isQueuePaused: queue.value?.paused ?? null,
      pendingConflicts: conflicts.value?.conflicts.length ?? null,
      connectors: connectors.value?.connectors ?? null,
      replica: replica.value ?? null,
      devices: devices.value?.devices ?? null,
    },
    connectors,
    replica,
    devices,
  };
}

export function Around({ around }: { readonly around: AroundReadings }) {
  if (!isOperator.value) return null;
  return (
    <>
      <div class="columns">
        <ReplicaCard resource={around.replica} />
        <EdgesCard resource={around.devices} />
      </div>
      <ConnectorsCard resource={around.connectors} />
    </>
  );
}

function ReplicaCard({ resource }: { readonly resource: Resource<Replica> }) {
  const replica = resource.value;
  return (
    <Card title="Replica" aside={<a href={linkTo("replica")}>Open</a>}>
      <Failure resource={resource} what="the replica" />
      {replica?.state === "off" && <p class="muted">No replica is set up.</p>}
      {replica !== undefined && replica.state !== "off" && (
        <Facts
          facts={[
            { name: "State", value: <Badge tone={replicaTone(replica)}>{replica.state}</Badge> },
            { name: "Behind by", value: replica.lag === null ? "not told" : duration(replica.lag.seconds) },
            { name: "Refused", value: replica.deadLetters === null ? "not told" : whole(replica.deadLetters.dead) },
            { name: "Moved", value: <Time at={replica.movedAt} /> },
          ]}
        />
      )}
    </Card>
  );
}

function EdgesCard({ resource }: { readonly resource: Resource<Devices> }) {
  const devices = resource.value?.devices;
  const active = devices?.filter(({ state }) => state === "active") ?? [];
  const isCut = resource.value !== undefined && resource.value.after !== null;
  const behind = active.flatMap(({ behindSeconds }) => behindSeconds ?? []);
  const seen = active.map(({ lastSeenAt }) => lastSeenAt).sort();
  return (
    <Card title="Edges" aside={<a href={linkTo("edges")}>Open</a>}>
      <Failure resource={resource} what="the edges" />
      {devices?.length === 0 && <p class="muted">No edge has called yet.</p>}
      {devices !== undefined && devices.length > 0 && (
        <Facts
          facts={[
            { name: "Active", value: atLeast(active.length, isCut) },
            { name: "Revoked", value: atLeast(devices.length - active.length, isCut) },
            { name: "Furthest behind", value: behind.length === 0 ? "not told" : duration(Math.max(...behind)) },
            { name: "Last seen", value: <Time at={seen.at(-1)} /> },
          ]}
        />
      )}
    </Card>
  );
}

function ConnectorsCard({
  resource,
}: {
  readonly resource: Resource<{ readonly connectors: readonly ConnectorStatus[] }>;
}) {
  const connectors = resource.value?.connectors;
  return (
    <Card title="Connectors" aside={<a href={linkTo("connectors")}>Open</a>}>
      <Failure resource={resource} what="the connectors" />
      {connectors?.length === 0 && <p class="muted">No connector is set up.</p>}
      {connectors !== undefined && connectors.length > 0 && (
        <Table
          label="Connectors"
          rows={connectors}
          keyOf={({ id }) => id}
          columns={[
            { name: "Connector", isRowHeader: true, cell: ({ id }) => <a href={linkTo("connectors", [id])}>{id}</a> },
            { name: "State", cell: (connector) => <StateBadge status={connector} /> },
            { name: "Last success", cell: ({ lastSuccessAt }) => <Time at={lastSuccessAt} /> },
            { name: "Next run", cell: ({ nextRunAt }) => <Time at={nextRunAt} never="on demand" /> },
            {
              name: "Dead letters",
              isNumber: true,
              cell: ({ deadLetters }) => (deadLetters === 0 ? "0" : counted(deadLetters, "letter")),
            },
          ]}
        />
      )}
    </Card>
  );
}

/** A failed reading is told in its own place: the rest of the page stays. */
function Failure({ resource, what }: { readonly resource: Resource<unknown>; readonly what: string }) {
  if (resource.error !== null) return <ErrorText error={resource.error} />;
  return resource.value === undefined ? <Loading what={what} /> : null;
}
