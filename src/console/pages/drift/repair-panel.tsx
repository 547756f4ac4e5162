import { useState } from "preact/hooks";
import type { BuiltInStrategy } from "../../../conflict/registry.ts";
import type { CheckResult, Job, RepairResult } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { ConfirmDialog } from "../../components/dialog.tsx";
import { ErrorText, Message } from "../../components/feedback.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { useAction } from "../../state/action.ts";
import { useJob } from "../../state/job.ts";
import { linkTo } from "../../state/router.ts";
import { counted, whole } from "../../text/numbers.ts";
import { CONFLICT_KINDS } from "./finding-kinds.ts";
import { RepairProgress } from "./repair-progress.tsx";
import { RepairTable } from "./repair-table.tsx";

const STRATEGIES: Readonly<Record<BuiltInStrategy, string>> = {
  latest_wins: "The side that was written last",
  merge: "Fields of both sides",
  version_vector: "The side that knows the other's writes",
  prefer_store: "The side of the store that comes first in the settings",
  manual: "A person: they become conflicts that await a decision",
};

const OWN = "own";

export interface RepairPanelProps {
  readonly checkJobId: string;
  readonly result: CheckResult;
}

/** Repair the findings of a check: choose the strategy, see what would change, then change it. */
export function RepairPanel({ checkJobId, result }: RepairPanelProps) {
  const [chosen, setChosen] = useState("");
  const [own, setOwn] = useState("");
  const [isAsking, setIsAsking] = useState(false);
  const [plan, setPlan] = useState<{ readonly id: string; readonly strategy: string } | null>(null);
  const [repairId, setRepairId] = useState<string | null>(null);
  const strategy = chosen === OWN ? own.trim() : chosen;
  const order = (dryRun: boolean) => ({ checkJobId, dryRun, ...(strategy !== "" && { strategy }) });
  const preview = useAction((api) => api.post<Job>("v1/repairs", order(true)));
  const repair = useAction((api) => api.post<Job>("v1/repairs", order(false)));
  const planned = useJob(plan?.id ?? null);
  const conflicts = result.findings.filter(({ kind }) => CONFLICT_KINDS.has(kind)).length;
  const isPlanned = plan !== null && plan.strategy === strategy && planned.job?.state === "done";
  const isPlanning = preview.isUnderWay || planned.job?.state === "running";
  const outcome = isPlanned ? (planned.job?.result as RepairResult) : null;
  const running = (preview.error ?? repair.error)?.members.jobId;

  return (
    <Card title="Repair">
      <p class="muted">
        Where the ledger is right by rule, the store is made equal to it.{" "}
        {conflicts > 0 && `In ${counted(conflicts, "finding")} both sides may be right: the strategy decides.`}
      </p>
      <form
        class="stack"
        onSubmit={async (event) => {
          event.preventDefault();
          const job = await preview.run();
          if (job === undefined) return;
          setRepairId(null);
          setPlan({ id: job.id, strategy });
        }}
      >
        <div class="filters">
          <SelectField
            label="Strategy where both sides may be right"
            value={chosen}
            onInput={setChosen}
            choices={[
              { value: "", text: "As the settings say" },
              ...Object.keys(STRATEGIES).map((value) => ({ value, text: value })),
              { value: OWN, text: "One of your own" },
            ]}
            hint={STRATEGIES[chosen as BuiltInStrategy]}
          />
          {chosen === OWN && (
            <TextField label="Its name" value={own} onInput={setOwn} isCode hint="As it was registered on the node" />
          )}
          <div class="row">
            <Button type="submit" isBusy={isPlanning}>
              Preview
            </Button>
            <Button
              look="primary"
              disabled={outcome === null || outcome.planned === 0 || repairId !== null}
              onClick={() => setIsAsking(true)}
            >
              {outcome === null ? "Repair" : `Repair ${counted(outcome.planned, "finding")}`}
            </Button>
          </div>
        </div>
        {outcome === null && !isPlanning && <p class="hint">Look at the preview first: it changes nothing.</p>}
      </form>
      {preview.error !== null && <ErrorText error={preview.error} />}
      {planned.error !== null && <ErrorText error={planned.error} />}
      {typeof running === "string" && <a href={linkTo("queue", [running])}>Look at the one that is running</a>}
      {planned.job?.state === "failed" && (
        <Message kind="failed">
          <p>
            <strong>The preview failed:</strong> {planned.job.error?.message}. Check again, then repair that.
          </p>
        </Message>
      )}
      {outcome !== null && repairId === null && <Plan outcome={outcome} />}
      {repairId !== null && <RepairProgress key={repairId} id={repairId} title="Repair" />}
      {isAsking && outcome !== null && (
        <ConfirmDialog
          title={`Repair ${counted(outcome.planned, "finding")}?`}
          confirm="Repair"
          isBusy={repair.isUnderWay}
          error={repair.error}
          onClose={() => {
            repair.clear();
            setIsAsking(false);
          }}
          onConfirm={async () => {
            const job = await repair.run();
            if (job === undefined) return;
            setIsAsking(false);
            setRepairId(job.id);
          }}
        >
          <p>
            Each repair is verified by reading back. Sides that lose stay on record, and versions of the ledger stay in
            the history of their memories.
          </p>
          {outcome.deferred > 0 && <p>{counted(outcome.deferred, "finding")} would be left for a person to decide.</p>}
        </ConfirmDialog>
      )}
    </Card>
  );
}

function Plan({ outcome }: { readonly outcome: RepairResult }) {
  const { planned, deferred, failed, open } = outcome;
  return (
    <section class="stack" aria-label="What the repair would change">
      <h3>
        {`${whole(planned)} would be repaired, ${whole(deferred)} left for a decision, ${whole(failed)} cannot be repaired`}
      </h3>
      <RepairTable label="What would change" details={open} total={planned + deferred + failed} />
    </section>
  );
}
