import type { Replica } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { EmptyState, Loaded, Message } from "../../components/feedback.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { PauseButton } from "../../components/pause-button.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { counted, whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";
import { LettersCard } from "./letters-card.tsx";
import { replicaTone } from "./replica-tone.ts";
import { VerifyCard } from "./verify-card.tsx";

const REFRESH_MS = 5_000;

/** The second database that is written from the change feed. */
export function ReplicaPage() {
  const replica = useResource((api, signal) => api.get<Replica>("v1/replica", { signal }), [], { everyMs: REFRESH_MS });
  return (
    <>
      <PageHead title="Replica" />
      <Loaded resource={replica} what="the replica">
        {(report) =>
          report.state === "off" ? (
            <EmptyState title="This deployment has no replica.">
              <p>
                A replica is a second PostgreSQL, written from the change feed: setting <code>replica.url</code>.
              </p>
            </EmptyState>
          ) : (
            <>
              <StateCard replica={report} onDone={replica.reload} />
              <LettersCard onDone={replica.reload} />
              {mayAct.value && <VerifyCard />}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function StateCard({ replica, onDone }: { readonly replica: Replica; readonly onDone: () => void }) {
  const { name, state, reason, isUp, isPaused, leader, phase, epoch, movedAt, lag, deadLetters, diverged } = replica;
  return (
    <Card title={`Replica ${name}`} aside={mayAct.value && <Orders isPaused={isPaused} onDone={onDone} />}>
      {!isUp && (
        <Message kind="failed">
          The replica does not answer: bring it back. Replication goes on by itself where the replica stands.
        </Message>
      )}
      {isPaused && <Message kind="warning">Replication is paused on every node until it is resumed.</Message>}
      <Facts
        facts={[
          { name: "State of this node", value: <Badge tone={replicaTone(replica)}>{state}</Badge> },
          reason !== null && { name: "Reason", value: reason },
          { name: "Replicated by", value: leader ?? "no process" },
          { name: "Phase", value: phase ?? "not known" },
          {
            name: "Behind by",
            value: lag === null ? "not known" : lag.changes === 0 ? "nothing" : lagText(lag),
          },
          { name: "Moved on", value: <Time at={movedAt} /> },
          {
            name: "Dead letters",
            value:
              deadLetters === null ? "not known" : `${whole(deadLetters.dead)}, and ${whole(deadLetters.waiting)} wait`,
          },
          {
            name: "Versions that only the replica has",
            value: diverged === null ? "not known" : whole(diverged),
          },
          { name: "Epoch", value: epoch === null ? "not known" : <code>{epoch}</code> },
        ]}
      />
    </Card>
  );
}

function lagText({ changes, seconds }: NonNullable<Replica["lag"]>): string {
  return `${counted(changes, "change")}, ${duration(seconds)}`;
}

function Orders({ isPaused, onDone }: { readonly isPaused: boolean; readonly onDone: () => void }) {
  return (
    <>
      <PauseButton
        isPaused={isPaused}
        address="v1/replica"
        onDone={onDone}
        told={{ paused: "Replication is paused.", resumed: "Replication is resumed." }}
        confirm={{
          title: "Pause replication?",
          text: "On every node, until it is resumed. The replica falls behind meanwhile, and merged reads do without it.",
        }}
      />
      <OrderButton
        onDone={onDone}
        confirm={{
          title: "Fill the replica again?",
          text: "From the start of the feed, comparing its rows. Nothing is lost; merged reads do without it until it has caught up.",
        }}
        act={async (api) => {
          await api.post("v1/replica/backfill");
          return "The replica is filled again.";
        }}
      >
        Fill again
      </OrderButton>
    </>
  );
}
