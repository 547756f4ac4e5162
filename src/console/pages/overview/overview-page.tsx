import { useState } from "preact/hooks";
import type { Sample, Status, StatusEvent } from "../../api/documents.ts";
import type { StreamEvent } from "../../api/event-stream.ts";
import { Badge } from "../../components/badge.tsx";
import { ErrorState, Loading } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { clock, Time } from "../../components/time.tsx";
import { useEvents } from "../../state/events.ts";
import { useResource } from "../../state/resource.ts";
import { isOperator, mayAct, signedIn } from "../../state/session.ts";
import { Around, useAround } from "./around.tsx";
import { ChecksCard } from "./checks-card.tsx";
import { withSamples } from "./figures.ts";
import { ProblemList } from "./problem-list.tsx";
import { problemsOf } from "./problems.ts";
import { StoresCard } from "./stores-card.tsx";
import { TrafficCard } from "./traffic-card.tsx";

/** Milliseconds between two readings where the service gives no stream. */
const POLL_MS = 5_000;

/** The deployment at a glance, live. What is wrong stands first. */
export function OverviewPage() {
  // Of the stream or of a poll, whichever came last.
  const [latest, setLatest] = useState<{ at: string; status: Status } | null>(null);
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const stream = useEvents("v1/status/events", ({ event, data }: StreamEvent) => {
    if (event !== "status") return false;
    const { at, status, samples: added } = data as StatusEvent;
    setLatest({ at, status });
    setSamples((known) => withSamples(known, added));
    return false;
  });
  const isPolled = stream !== "live";
  const polled = useResource(
    async (api, signal) => {
      const status = await api.get<Status>("v1/status", { signal });
      setLatest({ at: new Date().toISOString(), status });
    },
    [isPolled],
    { everyMs: POLL_MS, enabled: isPolled },
  );
  const around = useAround();

  if (latest === null) {
    return (
      <>
        <PageHead title="Overview" />
        {polled.error === null ? (
          <Loading what="the status" />
        ) : (
          <ErrorState error={polled.error} onRetry={polled.reload} />
        )}
      </>
    );
  }
  const { status } = latest;
  const problems = problemsOf({ status, ...around.known }, clock.value);
  const { namespaces } = signedIn.value.identity;
  return (
    <>
      <PageHead title="Overview" about={namespaces === null ? undefined : `Of the namespaces ${namespaces.join(", ")}`}>
        {stream === "live" ? (
          <Badge tone="good">Live</Badge>
        ) : (
          <Badge tone="warning">{stream === "refused" ? "Every 5 s" : "Connecting"}</Badge>
        )}
        <span class="hint">
          Read <Time at={latest.at} />
        </span>
      </PageHead>
      {polled.error !== null && isPolled && <ErrorState error={polled.error} onRetry={polled.reload} />}
      <ProblemList problems={problems} isComplete={isOperator.value && mayAct.value} />
      <TrafficCard samples={samples} status={status} />
      <StoresCard status={status} samples={samples} />
      <ChecksCard status={status} />
      <Around around={around} />
    </>
  );
}
