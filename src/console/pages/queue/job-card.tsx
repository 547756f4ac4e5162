import type { Job } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { ErrorState, Loading, Message } from "../../components/feedback.tsx";
import { Time } from "../../components/time.tsx";
import { useJob } from "../../state/job.ts";
import { linkTo } from "../../state/router.ts";
import { CancelJob, JOB_TONES, progressText } from "./jobs-card.tsx";

/** Characters of a result that are shown; the command line shows all of it. */
const RESULT_LENGTH_MAX = 20_000;

/** One job, followed while it runs. */
export function JobCard({ id }: { readonly id: string }) {
  const { job, error, reload } = useJob(id);
  return (
    <Card title={`Job ${id}`} aside={<a href={linkTo("queue")}>Close</a>}>
      {error !== null && <ErrorState error={error} onRetry={reload} />}
      {job === undefined && error === null && <Loading what="the job" />}
      {job !== undefined && <JobText job={job} onDone={reload} />}
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
          <p>
            {job.error.message} (<code>{job.error.code}</code>)
          </p>
        </Message>
      )}
      {job.kind === "check" && <a href={linkTo("drift", [job.id])}>Its findings</a>}
      {job.state === "running" && <CancelJob job={job} onDone={onDone} />}
      {result !== null && (
        <details>
          <summary>Result</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
          <pre class="text-block" tabIndex={0}>
            {result.slice(0, RESULT_LENGTH_MAX)}
          </pre>
          {result.length > RESULT_LENGTH_MAX && <p class="hint">The beginning is shown: it is longer.</p>}
        </details>
      )}
    </>
  );
}
