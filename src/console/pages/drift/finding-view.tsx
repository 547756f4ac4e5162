import { useEffect, useRef } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { Conflict, Finding, MemoryCopies } from "../../api/documents.ts";
import { Card, Facts } from "../../components/card.tsx";
import { Loaded, sentence } from "../../components/feedback.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { FindingCopies } from "./finding-copies.tsx";
import { CONFLICT_KINDS, KIND_TEXTS } from "./finding-kinds.ts";

interface Sides {
  readonly copies: MemoryCopies["copies"];
  readonly conflict: Conflict | null;
}

/** One finding: what was seen, and both sides as they are now. */
export function FindingView({ finding, jobId }: { readonly finding: Finding; readonly jobId: string }) {
  const { namespace, memoryId, store, kind, expectedVersion, foundVersion, evidence } = finding;
  const isNamed = namespace !== "";
  const sides = useResource<Sides>(
    async (api, signal) => {
      const [{ copies }, { conflicts }] = await Promise.all([
        api.get<MemoryCopies>(memoryPath(namespace, memoryId, "copies"), { signal }),
        api.get<{ conflicts: readonly Conflict[] }>("v1/conflicts", { query: { namespace, memoryId }, signal }),
      ]);
      return { copies, conflict: conflicts.find((one) => one.store === store) ?? null };
    },
    [namespace, memoryId, store],
    { enabled: isNamed },
  );
  const top = useRef<HTMLDivElement>(null);
  // It stands above the list that leads to it.
  useEffect(() => {
    top.current?.scrollIntoView({ block: "nearest" });
    top.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div ref={top} class="opened" tabIndex={-1}>
      <Card title={`${memoryId}: ${kind} in ${store}`} aside={<a href={linkTo("drift", [jobId])}>Close</a>}>
        <p>
          {KIND_TEXTS[kind]}. {sentence(evidence)}
        </p>
        <Facts
          facts={[
            { name: "Namespace", value: isNamed ? namespace : "none: a key of the cache that names no memory" },
            { name: "Version of the ledger", value: expectedVersion ?? "none" },
            { name: `Version in ${store}`, value: foundVersion ?? "none" },
            isNamed && {
              name: "Memory",
              value: <a href={linkTo("memories", [namespace, memoryId])}>With its history</a>,
            },
          ]}
        />
        {isNamed && (
          <Loaded resource={sides} what="both sides">
            {({ conflict, copies }) => (
              <>
                {conflict !== null && (
                  <p>
                    It is on record:{" "}
                    <a href={linkTo("conflicts", [conflict.id])}>both sides as found, and the decision</a>.
                  </p>
                )}
                <FindingCopies store={store} copies={copies} />
                {conflict === null && CONFLICT_KINDS.has(kind) && (
                  <p class="muted">
                    Both sides may be right. A repair with the strategy manual puts them on record as a conflict, for a
                    decision.
                  </p>
                )}
              </>
            )}
          </Loaded>
        )}
      </Card>
    </div>
  );
}
