import { pathOf } from "../../api/client.ts";
import type { Job } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { mayAct } from "../../state/session.ts";
import { took } from "../../text/time.ts";

const REFRESH_MS = 3_000;

export const JOB_TONES: Readonly<Record<Job["state"], Tone>> = {
  running: "busy",
  done: "good",
  failed: "bad",
  cancelled: "neutral",
};

/** `checked 1,200, findings 3` */
export function progressText(progress: Job["progress"]): string {
  return Object.entries(progress)
    .map(([name, value]) => `${name} ${value.toLocaleString("en")}`)
    .join(", ");
}

export function JobsCard() {
  const jobs = useResource((api, signal) => api.get<{ jobs: Job[] }>("v1/jobs", { signal }), [], {
    everyMs: REFRESH_MS,
  });
  const columns: readonly Column<Job>[] = [
    {
      name: "Job",
      isRowHeader: true,
      cell: ({ id, kind }) => <a href={linkTo("queue", [id])}>{kind}</a>,
    },
    { name: "State", cell: ({ state }) => <Badge tone={JOB_TONES[state]}>{state}</Badge> },
    {
      name: "Progress",
      cell: ({ progress, error }) => (error === null ? progressText(progress) : error.message),
    },
    { name: "Node", cell: ({ nodeId }) => nodeId ?? <span class="muted">waits for a node</span> },
    { name: "Began", cell: ({ startedAt }) => <Time at={startedAt} /> },
    { name: "Took", isNumber: true, cell: ({ startedAt, endedAt }) => took(startedAt, endedAt) },
    {
      name: "Orders",
      isNameHidden: true,
      cell: (job) => job.state === "running" && <CancelJob job={job} onDone={jobs.reload} />,
    },
  ];
  return (
    <Card title="Jobs">
      <Loaded resource={jobs} what="the jobs">
        {({ jobs: listed }) =>
          listed.length === 0 ? (
            <EmptyState title="No job has run yet.">
              <p>
                Checks and repairs begin on the page <a href={linkTo("drift")}>Drift</a>.
              </p>
            </EmptyState>
          ) : (
            <Table label="Jobs of all nodes, newest first" columns={columns} rows={listed} keyOf={({ id }) => id} />
          )
        }
      </Loaded>
    </Card>
  );
}

export function CancelJob({ job: { id, kind }, onDone }: { readonly job: Job; readonly onDone: () => void }) {
  if (!mayAct.value) return null;
  return (
    <OrderButton
      label={`Cancel the ${kind}`}
      onDone={onDone}
      confirm={{ title: `Cancel the ${kind}?`, text: "It ends on whatever node it runs. What it has done stays." }}
      act={async (api) => {
        await api.delete(pathOf("v1", "jobs", id));
        return `The ${kind} was cancelled.`;
      }}
    >
      Cancel
    </OrderButton>
  );
}
