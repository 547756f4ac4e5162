import type { CheckResult, Finding } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { Table } from "../../components/table.tsx";
import { VirtualList } from "../../components/virtual-list.tsx";
import { go, linkTo } from "../../state/router.ts";
import { counted, whole } from "../../text/numbers.ts";
import { CONFLICT_KINDS, countFindings, KIND_TEXTS } from "./finding-kinds.ts";
import { FindingView } from "./finding-view.tsx";

const ROW_HEIGHT = 60;

export interface FindingsProps {
  readonly jobId: string;
  readonly result: CheckResult;
  readonly query: URLSearchParams;
}

/** Findings by kind and store, then one by one. */
export function Findings({ jobId, result, query }: FindingsProps) {
  const { findings, findingsTotal, truncated } = result;
  const kind = query.get("kind") ?? "";
  const store = query.get("store") ?? "";
  const opened = findings[Number(query.get("finding") ?? Number.NaN)];
  const numbered = findings.map((finding, index) => ({ ...finding, index }));
  const shown = numbered.filter(
    (finding) => (kind === "" || finding.kind === kind) && (store === "" || finding.store === store),
  );
  const narrow = (of: { kind: string; store: string }) => go(linkTo("drift", [jobId], of));
  return (
    <>
      {opened !== undefined && <FindingView key={keyOf(opened)} finding={opened} jobId={jobId} />}
      <Card title="Findings" aside={<span class="hint">{counted(findingsTotal, "finding")}</span>}>
        {(truncated || findings.length < findingsTotal) && (
          <p class="muted">
            {truncated ? "There is more drift than a check lists: repair this, then check again. " : ""}
            {findings.length < findingsTotal && `The first ${whole(findings.length)} are listed; a repair covers all.`}
          </p>
        )}
        <Table
          label="Findings by kind and store"
          rows={countFindings(findings)}
          keyOf={(row) => `${row.kind} ${row.store}`}
          columns={[
            {
              name: "Kind",
              isRowHeader: true,
              cell: (row) => <Badge tone={CONFLICT_KINDS.has(row.kind) ? "warning" : "bad"}>{row.kind}</Badge>,
            },
            { name: "Store", cell: (row) => row.store },
            { name: "Meaning", cell: (row) => KIND_TEXTS[row.kind] },
            { name: "Findings", isNumber: true, cell: ({ count }) => whole(count) },
            {
              name: "Show",
              isNameHidden: true,
              cell: (row) => {
                const isShown = row.kind === kind && row.store === store;
                return (
                  <Button
                    label={`Only these: ${row.kind} in ${row.store}`}
                    isPressed={isShown}
                    onClick={() => narrow(isShown ? { kind: "", store: "" } : { kind: row.kind, store: row.store })}
                  >
                    Only these
                  </Button>
                );
              },
            },
          ]}
        />
        <VirtualList
          label="Findings"
          rows={shown}
          total={shown.length}
          rowHeight={ROW_HEIGHT}
          keyOf={keyOf}
          hrefOf={({ index }) => linkTo("drift", [jobId], { kind, store, finding: String(index) })}
        >
          {(finding) => (
            <>
              <span class="row-title">
                <span>{finding.memoryId}</span>
                <span class="row-score">
                  {finding.kind} in {finding.store}
                </span>
              </span>
              <span class="row-snippet">{finding.evidence}</span>
            </>
          )}
        </VirtualList>
      </Card>
    </>
  );
}

function keyOf({ namespace, memoryId, store, kind }: Finding): string {
  return JSON.stringify([namespace, memoryId, store, kind]);
}
