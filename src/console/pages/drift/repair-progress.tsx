import type { RepairResult } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { ErrorState, Loading, Message } from "../../components/feedback.tsx";
import { Progress } from "../../components/progress.tsx";
import { useJob } from "../../state/job.ts";
import { linkTo } from "../../state/router.ts";
import { counted, whole } from "../../text/numbers.ts";
import { RepairTable } from "./repair-table.tsx";

/** A repair that was started: how far it is, and what came of it. */
export function RepairProgress({ id, title }: { readonly id: string; readonly title: string }) {
  const { job, error, reload } = useJob(id);
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (job === undefined) return <Loading what="the repair" />;
  if (job.state === "running") {
    const { done = 0, total } = job.progress;
    return (
      <Progress
        text={`${title}: ${total === undefined ? "looking at the findings" : `${whole(done)} of ${whole(total)} done`}`}
        value={done}
        max={total ?? null}
      />
    );
  }
  if (job.state !== "done") {
    return (
      <Message kind="failed">
        <p>
          <strong>The repair {job.state === "failed" ? "failed" : "was cancelled"}.</strong> {job.error?.message} What
          it had repaired stays repaired. Check again to see what is left.
        </p>
      </Message>
    );
  }
  const { repaired, failed, deferred, open } = job.result as RepairResult;
  const left = failed + deferred;
  return (
    <section class="stack" aria-label="Result of the repair">
      <Message kind={failed > 0 ? "failed" : deferred > 0 ? "warning" : "done"}>
        <p>
          <strong>{`${counted(repaired, "finding")} repaired`}</strong>, {whole(deferred)} left for a decision,{" "}
          {whole(failed)} failed.
        </p>
        {deferred > 0 && (
          <p>
            <a href={linkTo("conflicts")}>Look at the conflicts</a> that await a decision.
          </p>
        )}
        {left === 0 && <p>Run a check to prove that the stores agree.</p>}
      </Message>
      {left > 0 && (
        <>
          <h3>
            <Badge tone="warning">{counted(left, "finding")}</Badge> not repaired
          </h3>
          <RepairTable label="What was not repaired" details={open} total={left} />
        </>
      )}
    </section>
  );
}
