import { LEDGER_ID } from "../../../domain/store-id.ts";
import { pathOf } from "../../api/client.ts";
import type { CheckResult, Job, Status } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { EmptyState, ErrorState, ErrorText, Loading, Message } from "../../components/feedback.tsx";
import { SelectField } from "../../components/field.tsx";
import { Progress } from "../../components/progress.tsx";
import { Time } from "../../components/time.tsx";
import { useAction } from "../../state/action.ts";
import { announce } from "../../state/announce.ts";
import { useJob } from "../../state/job.ts";
import { useResource } from "../../state/resource.ts";
import { go, linkTo } from "../../state/router.ts";
import { mayAct } from "../../state/session.ts";
import { counted, whole } from "../../text/numbers.ts";
import { exactTime } from "../../text/time.ts";
import { Findings } from "./findings.tsx";
import { RepairPanel } from "./repair-panel.tsx";

export interface CheckViewProps {
  readonly id: string;
  /** All that are kept, the newest first. */
  readonly checks: readonly Job[];
  readonly query: URLSearchParams;
}

/** One check: its progress while it runs, its findings and their repair afterwards. */
export function CheckView({ id, checks, query }: CheckViewProps) {
  const { job, error, reload } = useJob(id);
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (job === undefined) return <Loading what="the check" />;
  if (job.kind !== "check") return <EmptyState title={`The job ${id} is no check`} />;
  const result = job.state === "done" ? (job.result as CheckResult) : null;
  return (
    <>
      <Card title="Check" aside={<CheckBadge job={job} result={result} />}>
        {checks.length > 1 && (
          <div class="filters">
            <SelectField
              label="Which check"
              value={id}
              onInput={(chosen) => go(linkTo("drift", [chosen]))}
              choices={checks.map((check) => ({
                value: check.id,
                text: `${exactTime(check.startedAt)}, ${check.state}`,
              }))}
            />
          </div>
        )}
        {job.state === "running" && <CheckProgress job={job} />}
        {job.state === "failed" && (
          <Message kind="failed">
            <p>
              <strong>The check failed:</strong> {job.error?.message}. Run it again; it resumes where it can.
            </p>
          </Message>
        )}
        {job.state === "cancelled" && <p class="muted">It was cancelled, so it proves nothing. Run it again.</p>}
        <Facts
          facts={[
            result !== null && { name: "Scope", value: result.scope },
            { name: "Began", value: <Time at={job.startedAt} isExact /> },
            { name: "Ended", value: <Time at={job.endedAt} never="not yet" isExact /> },
            result !== null && { name: "Compared", value: counted(result.checked, "memory", "memories") },
            { name: "On node", value: job.nodeId ?? "waits for a node" },
          ]}
        />
      </Card>
      {result !== null && result.findingsTotal === 0 && (
        <EmptyState title={result.clean ? "The stores agree with the ledger" : "Nothing was found"}>
          <p>
            {result.clean
              ? "Everything in the scope was compared, and nothing differs."
              : "But not everything in the scope could be compared, so this proves nothing. Look at the stores, then check again."}
          </p>
        </EmptyState>
      )}
      {result !== null && result.findingsTotal > 0 && (
        <>
          <Findings jobId={id} result={result} query={query} />
          {mayAct.value && <RepairPanel key={id} checkJobId={id} result={result} />}
        </>
      )}
    </>
  );
}

function CheckBadge({ job: { state }, result }: { readonly job: Job; readonly result: CheckResult | null }) {
  if (state === "running") return <Badge tone="busy">running</Badge>;
  if (result === null) return <Badge tone={state === "failed" ? "bad" : "neutral"}>{state}</Badge>;
  if (result.findingsTotal > 0) return <Badge tone="bad">{counted(result.findingsTotal, "finding")}</Badge>;
  return result.clean ? <Badge tone="good">clean</Badge> : <Badge tone="warning">incomplete</Badge>;
}

function CheckProgress({ job }: { readonly job: Job }) {
  const cancel = useAction((api) => api.delete<Job>(pathOf("v1", "jobs", job.id)));
  // How many there are to compare: the ledger's own count, roughly, since writes go on.
  const status = useResource<Status>((api, signal) => api.get("v1/status", { signal }), []);
  const checked = job.progress.checked ?? 0;
  const total = status.value?.stores[LEDGER_ID]?.memories ?? null;
  const isKnown = total !== null && total > 0 && checked <= total;
  return (
    <div class="stack stack-close">
      <Progress
        text={`${whole(checked)}${isKnown ? ` of about ${whole(total)}` : ""} compared, ${counted(job.progress.findings ?? 0, "finding")} so far`}
        value={checked}
        max={isKnown ? total : null}
      />
      {cancel.error !== null && <ErrorText error={cancel.error} />}
      {mayAct.value && (
        <div class="row">
          <Button
            isBusy={cancel.isUnderWay}
            onClick={async () => {
              if ((await cancel.run()) !== undefined) announce("The check is being cancelled");
            }}
          >
            Cancel the check
          </Button>
        </div>
      )}
    </div>
  );
}
