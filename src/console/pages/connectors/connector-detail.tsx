import { useState } from "preact/hooks";
import { type Api, pathOf } from "../../api/client.ts";
import type { ConnectorRun, ConnectorStatus } from "../../api/documents.ts";
import { Card, Facts } from "../../components/card.tsx";
import { Loaded, Message } from "../../components/feedback.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { PauseButton } from "../../components/pause-button.tsx";
import { Time } from "../../components/time.tsx";
import { useEvents } from "../../state/events.ts";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { mayAct } from "../../state/session.ts";
import { whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";
import { countsText } from "./counts-text.ts";
import { LettersCard } from "./letters-card.tsx";
import { RunsCard } from "./runs-card.tsx";
import { StateBadge } from "./state-badge.tsx";

const REFRESH_MS = 10_000;

/** One connector: how it is, its runs, what it could not deliver, and what may be ordered. */
export function ConnectorDetail({ id }: { readonly id: string }) {
  const address = pathOf("v1", "connectors", id);
  // Grows with each order, and with each run whose end was told.
  const [orders, setOrders] = useState(0);
  const status = useResource((api, signal) => api.get<ConnectorStatus>(`${address}/status`, { signal }), [id], {
    everyMs: REFRESH_MS,
  });
  const onChange = () => {
    setOrders((before) => before + 1);
    status.reload();
  };
  return (
    <>
      <PageHead title={`Connector ${id}`}>
        <a href={linkTo("connectors")}>All connectors</a>
      </PageHead>
      <Loaded resource={status} what="the connector">
        {(connector) => (
          <>
            <StatusCard connector={connector} address={address} onChange={onChange} />
            <RunsCard address={address} changes={changesOf(connector, orders)} />
            <LettersCard address={address} changes={changesOf(connector, orders)} onChange={onChange} />
          </>
        )}
      </Loaded>
    </>
  );
}

/** Another text once the cards must be read anew: also after a run that was over before anybody followed it. */
function changesOf({ lastRun }: ConnectorStatus, orders: number): string {
  return JSON.stringify([orders, lastRun?.id, lastRun?.endedAt]);
}

interface PartProps {
  readonly connector: ConnectorStatus;
  readonly address: string;
  readonly onChange: () => void;
}

function StatusCard({ connector, address, onChange }: PartProps) {
  const { invalid, lastError, lastRun, records, imported } = connector;
  return (
    <Card title="State" aside={mayAct.value && <Orders connector={connector} address={address} onChange={onChange} />}>
      {invalid !== null && <Message kind="failed">It cannot be used on this node: {invalid}</Message>}
      {lastError !== null && (
        <Message kind="warning">
          The last run failed: {lastError.message} (<code>{lastError.code}</code>)
        </Message>
      )}
      {(lastRun?.state === "queued" || lastRun?.state === "running") && (
        <Progress key={lastRun.id} run={lastRun} address={address} onEnd={onChange} />
      )}
      <Facts
        facts={[
          { name: "State", value: <StateBadge status={connector} /> },
          { name: "Defined", value: connector.origin === "settings" ? "in the settings file" : "over the API" },
          { name: "Next run", value: <Time at={connector.nextRunAt} never="on demand" /> },
          { name: "Succeeded", value: <Time at={connector.lastSuccessAt} /> },
          connector.lagSeconds !== null && { name: "Behind by", value: duration(connector.lagSeconds) },
          { name: "Failures in a row", value: whole(connector.consecutiveFailures) },
          imported !== null && { name: "Items imported", value: whole(imported) },
          records !== null && {
            name: "Memories sent out",
            value: `${whole(records.delivered)} delivered, ${whole(records.queued + records.sent)} wait, ${whole(records.failed)} failed`,
          },
          { name: "Reads on from", value: connector.cursor === null ? "the start" : <code>{connector.cursor}</code> },
        ]}
      />
    </Card>
  );
}

function Progress({ run, address, onEnd }: { run: ConnectorRun; address: string; onEnd: () => void }) {
  const [latest, setLatest] = useState(run);
  useEvents(`${address}/${pathOf("runs", run.id)}/events`, ({ event, data }) => {
    if (event !== "progress" && event !== "end") return false;
    setLatest(data as ConnectorRun);
    if (event === "end") onEnd();
    return event === "end";
  });
  return <Message kind="info">A run goes on: {countsText(latest.counts) || "nothing read yet"}.</Message>;
}

function Orders({ connector, address, onChange }: PartProps) {
  const { id, state } = connector;
  if (state === "invalid") return null;
  const trigger = (scope: "changes" | "full") => async (api: Api) => {
    await api.post(`${address}/trigger`, { scope });
    return `A run of ${id} was ordered.`;
  };
  return (
    <>
      {state === "running" ? (
        <OrderButton
          onDone={onChange}
          act={async (api) => {
            const { run } = await api.post<{ run: ConnectorRun | null }>(`${address}/cancel`);
            return run === null ? "No run goes on any more." : "The run has ended. What it did stays.";
          }}
        >
          Cancel run
        </OrderButton>
      ) : (
        <>
          <OrderButton look="primary" onDone={onChange} act={trigger("changes")}>
            Run now
          </OrderButton>
          <OrderButton
            onDone={onChange}
            confirm={{
              title: `Read everything of ${id} again?`,
              text: "It reads all items, not only what changed, and finds what is gone. That may take long.",
            }}
            act={trigger("full")}
          >
            Full run
          </OrderButton>
        </>
      )}
      <PauseButton
        isPaused={state === "paused"}
        address={address}
        onDone={onChange}
        told={{
          paused: `${id} makes no runs by its schedule until it is resumed.`,
          resumed: `${id} runs by its schedule again.`,
        }}
        resumeLook="plain"
      />
      <OrderButton
        act={async (api) => {
          await api.post(`${address}/test`);
          return "The services answer and take the keys.";
        }}
      >
        Test
      </OrderButton>
    </>
  );
}
