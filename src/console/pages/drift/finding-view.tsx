import { useEffect, useRef } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { Conflict, Finding, Version } from "../../api/documents.ts";
import { Card, Facts } from "../../components/card.tsx";
import { Loaded, sentence } from "../../components/feedback.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { CONFLICT_KINDS, KIND_TEXTS } from "./finding-kinds.ts";

interface Sides {
  readonly versions: readonly Version[];
  readonly conflict: Conflict | null;
}

/** One finding: what was seen, and both sides as far as the ledger can tell them. */
export function FindingView({ finding, jobId }: { readonly finding: Finding; readonly jobId: string }) {
  const { namespace, memoryId, store, kind, expectedVersion, foundVersion, evidence } = finding;
  const isNamed = namespace !== "";
  const sides = useResource<Sides>(
    async (api, signal) => {
      const [history, recorded] = await Promise.all([
        api.get<{ versions: readonly Version[] }>(memoryPath(namespace, memoryId, "history"), { signal }),
        api.get<{ conflicts: readonly Conflict[] }>("v1/conflicts", { query: { namespace, memoryId }, signal }),
      ]);
      return { versions: history.versions, conflict: recorded.conflicts.find((one) => one.store === store) ?? null };
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
            {({ versions, conflict }) => (
              <div class="diff-sides">
                <SideOf
                  title="The ledger's side"
                  version={versions.find(({ version }) => version === expectedVersion)}
                  none={
                    expectedVersion === null
                      ? "The ledger does not know the memory."
                      : "The ledger no longer keeps this version."
                  }
                />
                <StoreSide finding={finding} versions={versions} conflict={conflict} />
              </div>
            )}
          </Loaded>
        )}
      </Card>
    </div>
  );
}

function StoreSide({ finding, versions, conflict }: { finding: Finding } & Sides) {
  const { kind, store, foundVersion } = finding;
  const title = `The side of ${store}`;
  if (conflict !== null) {
    return (
      <div class="diff-side">
        <h3>{title}</h3>
        <p>
          It is on record: <a href={linkTo("conflicts", [conflict.id])}>both sides, and the decision</a>.
        </p>
      </div>
    );
  }
  if (kind === "missing") return <SideOf title={title} version={undefined} none="Nothing is there." />;
  if (kind === "stale" || kind === "resurrected") {
    const version = versions.find((one) => one.version === foundVersion);
    return <SideOf title={title} version={version} none="The ledger no longer keeps the version that stands there." />;
  }
  return (
    <SideOf
      title={title}
      version={undefined}
      none={
        CONFLICT_KINDS.has(kind)
          ? "Its content is not in the ledger. A repair with the strategy manual puts it on record as a conflict, with both sides."
          : "What stands there is no memory of the ledger. A repair writes the ledger's side over it."
      }
    />
  );
}

function SideOf({ title, version, none }: { title: string; version: Version | undefined; none: string }) {
  return (
    <div class="diff-side">
      <h3>{title}</h3>
      {version === undefined && <p class="muted">{none}</p>}
      {version !== undefined && (
        <>
          <p class="hint">
            Version {version.version}, written <Time at={version.modifiedAt} isExact />
          </p>
          {version.document === null ? (
            <p class="muted">The memory has ended with this version.</p>
          ) : (
            <JsonView value={version.document} label={title} />
          )}
        </>
      )}
    </div>
  );
}
