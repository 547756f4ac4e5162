import { PageHead } from "../../components/page-head.tsx";
import type { PageProps } from "../../page-props.ts";
import { BacklogCard } from "./backlog-card.tsx";
import { JobCard } from "./job-card.tsx";
import { JobsCard } from "./jobs-card.tsx";

/** What waits to be published, and the long work of all nodes. A job's id behind the page's name shows that job. */
export function QueuePage({ path: [jobId] }: PageProps) {
  return (
    <>
      <PageHead title="Queue and jobs" />
      {jobId !== undefined && <JobCard id={jobId} />}
      <BacklogCard />
      <JobsCard />
    </>
  );
}
