import { useState } from "preact/hooks";
import { pathOf } from "../../api/client.ts";
import type { ConflictDetails, RepairDetail } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card, Facts } from "../../components/card.tsx";
import { ErrorState, Loaded, Loading, Message, sentence } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { Differences } from "./conflict-differences.tsx";
import { STATE_TONES } from "./conflict-list.tsx";
import { ConflictSideView } from "./conflict-side.tsx";
import { DecideOne } from "./decide-one.tsx";
import { isOpen } from "./decisions.ts";

/** Both sides of a conflict, how they differ, and the decision. */
export function ConflictPage({ id }: { readonly id: string }) {
  const [outcome, setOutcome] = useState<RepairDetail | null>(null);
  const resource = useResource<ConflictDetails>(
    (api, signal) => api.get(pathOf("v1", "conflicts", id), { signal }),
    [id],
  );
  if (resource.value === undefined) {
    return (
      <>
        <PageHead title={`Conflict ${id}`}>
          <a href={linkTo("conflicts")}>All conflicts</a>
        </PageHead>
        {resource.error === null ? (
          <Loading what="the conflict" />
        ) : (
          <ErrorState error={resource.error} onRetry={resource.reload} />
        )}
      </>
    );
  }
  return (
    <Loaded resource={resource} what="the conflict">
      {(conflict) => (
        <>
          <PageHead
            title={conflict.memoryId}
            about={
              <>
                Conflict {conflict.id} of <a href={linkTo("memories", [conflict.namespace])}>{conflict.namespace}</a>
              </>
            }
          >
            <a href={linkTo("memories", [conflict.namespace, conflict.memoryId])}>The memory and its history</a>
            <a href={linkTo("conflicts")}>All conflicts</a>
          </PageHead>
          {outcome !== null && <Outcome outcome={outcome} conflict={conflict} />}
          <Card title="What was found" aside={<Badge tone={STATE_TONES[conflict.state]}>{conflict.state}</Badge>}>
            <p>{sentence(conflict.evidence)}</p>
            <Facts
              facts={[
                { name: "Kind", value: conflict.kind },
                { name: "Found in", value: conflict.store },
                { name: "Found", value: <Time at={conflict.detectedAt} isExact /> },
                { name: "Strategy", value: conflict.strategy },
                conflict.pendingBecause !== null && {
                  name: "Awaits a decision because",
                  value: conflict.pendingBecause,
                },
                conflict.resolvedAt !== null && { name: "Decided", value: <Time at={conflict.resolvedAt} isExact /> },
                conflict.resolution !== null && { name: "Decision", value: conflict.resolution },
              ]}
            />
          </Card>
          <div class="columns">
            <ConflictSideView
              title="The ledger's side"
              side={conflict.ledger}
              none={
                conflict.ledgerVersion === null
                  ? "The ledger does not know this memory."
                  : "The memory has ended there."
              }
            />
            <ConflictSideView
              title={`The side of ${conflict.store}`}
              side={conflict.found}
              none="Nothing that could be read stood there."
            />
          </div>
          <Differences conflict={conflict} />
          {isOpen(conflict) && (
            <DecideOne
              conflict={conflict}
              onDecided={(detail) => {
                setOutcome(detail);
                resource.reload();
                scrollTo(0, 0);
              }}
            />
          )}
        </>
      )}
    </Loaded>
  );
}

function Outcome({ outcome: { outcome, note }, conflict }: { outcome: RepairDetail; conflict: ConflictDetails }) {
  const isDone = outcome === "repaired";
  return (
    <Message kind={isDone ? "done" : outcome === "deferred" ? "warning" : "failed"}>
      <p>
        <strong>{isDone ? "Decided." : outcome === "deferred" ? "Not carried out yet." : "It failed."}</strong>{" "}
        {sentence(note)}
      </p>
      {isDone && (
        <p>
          <a href={linkTo("memories", [conflict.namespace, conflict.memoryId])}>Undo it in the history</a>: restore the
          version before it.
        </p>
      )}
      {outcome === "deferred" && (
        <p>
          The memory has changed since: <a href={linkTo("drift")}>check again</a> to see both sides as they are now.
        </p>
      )}
    </Message>
  );
}
