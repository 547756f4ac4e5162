import { useState } from "preact/hooks";
import { pathOf } from "../../api/client.ts";
import type { Job } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { Loaded, Message } from "../../components/feedback.tsx";
import { Time } from "../../components/time.tsx";
import { useEvents } from "../../state/events.ts";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { CancelJob, JOB_TONES, progressText } from "./jobs-card.tsx";

/** Characters of a result that are shown; the command line shows all of it. */
const RESULT_LENGTH_MAX = 20_000;

/** One job, followed while it runs. */
export function JobCard({ id }: { readonly id: string }) {
  const address = pathOf("v1", "jobs", id);
  const job = useResource((api, signal) => api.get<Job>(address, { signal }), [id]);
  const [followed, setFollowed] = useState<Job | null>(null);
  const isRunning = job.value?.state === "running";
  useEvents(isRunning ? `${address}/events` : null, ({ event, data }) => {
    setFollowed(data as Job);
    if (event !== "end") return false;
    job.reload();
    return true;
  });
  return (
    <Card title={`Job ${id}`} aside={<a href={linkTo("queue")}>Close</a>}>
      <Loaded resource={job} what="the job">
        {(read) => <JobText job={isRunning && followed?.id === id ? followed : read} onDone={job.reload} />}
      </Loaded>
    </Card>
  );
}

function JobText({ job, onDone }: { readonly job: Job; readonly onDone: () => void }) {
  const result = job.result === null ? null : JSON.stringify(job.result, null, 2);
  return (
    <>
      <Facts
        facts={[
          { name: "Kind", value: job.kind },
          { name: "State", value: <Badge tone={JOB_TONES[job.state]}>{job.state}</Badge> },
          { name: "Progress", value: progressText(job.progress) || "none yet" },
          { name: "Node", value: job.nodeId ?? "waits for a node" },
          { name: "Began", value: <Time at={job.startedAt} isExact /> },
          { name: "Ended", value: <Time at={job.endedAt} never="not yet" isExact /> },
        ]}
      />
      {job.error !== null && (
        <Message kind="failed">
          {job.error.message} (<code>{job.error.code}</code>)
        </Message>
      )}
      {job.state === "running" && <CancelJob job={job} onDone={onDone} />}
      {result !== null && (
        <details>
          <summary>Result</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
          <pre class="code-block" tabIndex={0}>
            {result.slice(0, RESULT_LENGTH_MAX)}
          </pre>
          {result.length > RESULT_LENGTH_MAX && <p class="hint">The beginning is shown: it is longer.</p>}
        </details>
      )}
    </>
  );
}
