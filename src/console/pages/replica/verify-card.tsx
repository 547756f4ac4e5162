import { useState } from "preact/hooks";
import type { ReplicaVerification } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { ErrorText, Message } from "../../components/feedback.tsx";
import { CheckField } from "../../components/field.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { useAction } from "../../state/action.ts";
import { announce } from "../../state/announce.ts";
import { counted } from "../../text/numbers.ts";

type Found = ReplicaVerification["findings"][number];

/** Milliseconds: it compares all memories of two databases. */
const TIMEOUT_MS = 600_000;
const SHOWN_MAX = 200;

const COLUMNS: readonly Column<Found>[] = [
  {
    name: "Memory",
    isRowHeader: true,
    cell: ({ namespace, memoryId }) => (
      <code>
        {namespace}/{memoryId}
      </code>
    ),
  },
  { name: "Difference", cell: ({ kind }) => kind },
  { name: "Primary's version", isNumber: true, cell: ({ primaryVersion }) => primaryVersion ?? "none" },
  { name: "Replica's version", isNumber: true, cell: ({ replicaVersion }) => replicaVersion ?? "none" },
  { name: "Sent again", cell: ({ repaired }) => (repaired === null ? "not asked for" : repaired ? "yes" : "no") },
];

/** Compares the replica with the primary. */
export function VerifyCard() {
  const [isDeep, setIsDeep] = useState(false);
  const [repairs, setRepairs] = useState(false);
  const [found, setFound] = useState<ReplicaVerification | null>(null);
  const verify = useAction((api) =>
    api.post<ReplicaVerification>("v1/replica/verify", { deep: isDeep, repair: repairs }, { timeoutMs: TIMEOUT_MS }),
  );
  return (
    <Card title="Compare with the primary">
      <form
        class="stack"
        onSubmit={async (event) => {
          event.preventDefault();
          const result = await verify.run();
          if (result === undefined) return;
          setFound(result);
          announce(
            result.clean ? "Replica and primary agree." : `${counted(result.findings.length, "difference")} found.`,
          );
        }}
      >
        <CheckField label="Also check the contents against their checksums" isChecked={isDeep} onChange={setIsDeep} />
        <CheckField label="Send again what differs" isChecked={repairs} onChange={setRepairs} />
        <div class="row">
          <Button type="submit" look="primary" isBusy={verify.isUnderWay}>
            Compare
          </Button>
        </div>
      </form>
      {verify.error !== null && <ErrorText error={verify.error} />}
      {found !== null && <Outcome found={found} />}
    </Card>
  );
}

function Outcome({ found: { clean, checked, findings, underway, cut } }: { readonly found: ReplicaVerification }) {
  const compared = `${counted(checked, "memory", "memories")} compared`;
  if (clean) return <Message kind="done">{compared}: replica and primary agree.</Message>;
  return (
    <>
      <Message kind="warning">
        {compared}: {counted(findings.length, "difference")}
        {cut && ", and more"}
        {underway > 0 && `; ${counted(underway, "memory", "memories")} changed at each look`}.
      </Message>
      {findings.length > 0 && (
        <Table
          label="Differences between replica and primary"
          columns={COLUMNS}
          rows={findings.slice(0, SHOWN_MAX)}
          keyOf={({ namespace, memoryId }) => `${namespace}/${memoryId}`}
        />
      )}
      {findings.length > SHOWN_MAX && (
        <p class="hint">The first {SHOWN_MAX} are shown: mnemosync replica verify lists all of them.</p>
      )}
    </>
  );
}
