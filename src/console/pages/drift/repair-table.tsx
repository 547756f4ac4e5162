import type { RepairDetail } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Table } from "../../components/table.tsx";
import { linkTo } from "../../state/router.ts";
import { whole } from "../../text/numbers.ts";

const OUTCOME_TONES: Readonly<Record<RepairDetail["outcome"], Tone>> = {
  repaired: "good",
  planned: "busy",
  deferred: "warning",
  failed: "bad",
};

/** Rows that are shown at most. */
const ROWS_MAX = 200;

export interface RepairTableProps {
  readonly label: string;
  /** The service lists the first 1,000. */
  readonly details: readonly RepairDetail[];
  /** How many there are. */
  readonly total: number;
}

export function RepairTable({ label, details, total }: RepairTableProps) {
  if (details.length === 0) return null;
  return (
    <>
      <Table
        label={label}
        rows={details.slice(0, ROWS_MAX)}
        keyOf={({ namespace, memoryId, store, kind }) => JSON.stringify([namespace, memoryId, store, kind])}
        columns={[
          {
            name: "Memory",
            isRowHeader: true,
            cell: ({ namespace, memoryId }) =>
              namespace === "" ? memoryId : <a href={linkTo("memories", [namespace, memoryId])}>{memoryId}</a>,
          },
          { name: "Outcome", cell: ({ outcome }) => <Badge tone={OUTCOME_TONES[outcome]}>{outcome}</Badge> },
          { name: "Kind", cell: ({ kind }) => kind },
          { name: "Store", cell: ({ store }) => store },
          { name: "What", cell: ({ note }) => note },
          { name: "Decided by", cell: ({ strategy }) => strategy ?? "rule" },
        ]}
      />
      {total > ROWS_MAX && <p class="hint">{`The first ${ROWS_MAX} of ${whole(total)} are shown.`}</p>}
    </>
  );
}
