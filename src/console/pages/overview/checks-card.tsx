import type { CheckStatus, Status } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { linkTo } from "../../state/router.ts";
import { isOperator } from "../../state/session.ts";
import { counted, whole } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";

export function ChecksCard({ status: { consistency, lastCleanCheckAt } }: { readonly status: Status }) {
  return (
    <Card
      title="Checks"
      aside={
        <>
          <span class="hint">
            Last found equal: <Time at={lastCleanCheckAt} />
          </span>
          {isOperator.value && <a href={linkTo("drift")}>Run a check</a>}
        </>
      }
    >
      {consistency === null && <p class="muted">Told to keys of all namespaces, while the ledger answers.</p>}
      {consistency !== null && consistency.checks.length === 0 && <p class="muted">No check has run yet.</p>}
      {consistency !== null && consistency.checks.length > 0 && (
        <Table
          label="Checks"
          rows={consistency.checks}
          keyOf={({ scope, nodeId }) => `${scope} ${nodeId}`}
          columns={[
            { name: "Scope", isRowHeader: true, cell: ({ scope }) => scope },
            { name: "State", cell: (check) => <CheckState check={check} /> },
            { name: "Began", cell: ({ startedAt }) => <Time at={startedAt} /> },
            { name: "Compared", isNumber: true, cell: ({ checked }) => whole(checked) },
            {
              name: "Found",
              cell: ({ findings }) =>
                findings === 0 ? (
                  <Badge tone="good">nothing</Badge>
                ) : (
                  <Badge tone="bad">{counted(findings, "finding")}</Badge>
                ),
            },
            { name: "Last clean", cell: ({ lastCleanAt }) => <Time at={lastCleanAt} /> },
          ]}
        />
      )}
    </Card>
  );
}

function CheckState({ check: { finishedAt, coverage, remainingMs } }: { readonly check: CheckStatus }) {
  if (finishedAt !== null) return <Badge tone="neutral">ended</Badge>;
  const share = coverage === null ? "" : `, ${Math.round(coverage * 100)} %`;
  const rest = remainingMs === null ? "" : `, ${duration(remainingMs / 1_000)} left`;
  return <Badge tone="busy">{`running${share}${rest}`}</Badge>;
}
