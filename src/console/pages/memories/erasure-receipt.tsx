import { useEffect, useState } from "preact/hooks";
import { pathOf } from "../../api/client.ts";
import type { Erasure } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { ErrorText } from "../../components/feedback.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";

/** Milliseconds between two looks at an erasure that is not complete. */
const EVERY_MS = 2_000;

const STATES = {
  erasing: ["busy", "being erased"],
  awaiting_stores: ["warning", "waiting for stores"],
  complete: ["good", "complete"],
} as const;

export interface ErasureReceiptProps {
  readonly namespace: string;
  /** As the order was answered: it may be under way still. */
  readonly erasure: Erasure;
  /** Called when it has come further since then: what was read before may be gone. */
  readonly onAdvance: () => void;
}

/** The receipt of an erasure, until every store has confirmed. */
export function ErasureReceipt({ namespace, erasure, onAdvance }: ErasureReceiptProps) {
  const path = pathOf("v1", "namespaces", namespace, "erasures", erasure.erasureId);
  const [isComplete, setIsComplete] = useState(erasure.state === "complete");
  const latest = useResource<Erasure>((api, signal) => api.get(path, { signal }), [path], {
    everyMs: EVERY_MS,
    enabled: !isComplete,
  });
  const shown = latest.value ?? erasure;
  useEffect(() => {
    if (shown.state === "complete") setIsComplete(true);
    if (shown.state !== erasure.state) onAdvance();
  }, [shown.state]);
  const [tone, text] = STATES[shown.state];
  return (
    <Card title="Erasure" aside={<Badge tone={tone}>{text}</Badge>}>
      {latest.error !== null && <ErrorText error={latest.error} />}
      <Facts
        facts={[
          { name: "Receipt", value: <code>{shown.erasureId}</code> },
          { name: "Asked for by", value: shown.actor ?? "not told" },
          { name: "Asked for", value: <Time at={shown.requestedAt} isExact /> },
          { name: "Gone from the ledger", value: <Time at={shown.scrubbedAt} never="not yet" isExact /> },
          { name: "Confirmed by all stores", value: <Time at={shown.completedAt} never="not yet" isExact /> },
        ]}
      />
      <ul class="stack stack-close">
        {shown.stores.map(({ store, nodeId, confirmedAt }) => (
          <li key={`${store} ${nodeId}`} class="row">
            <Badge tone="good">confirmed</Badge> {place(store, nodeId)} <Time at={confirmedAt} />
          </li>
        ))}
        {shown.awaiting.map(({ store, nodeId }) => (
          <li key={`${store} ${nodeId}`} class="row">
            <Badge tone="warning">awaited</Badge> {place(store, nodeId)}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function place(store: string, nodeId: string | null): string {
  return nodeId === null ? store : `${store} of node ${nodeId}`;
}
