import { useEffect } from "preact/hooks";
import type { Job } from "../../api/documents.ts";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import type { PageProps } from "../../page-props.ts";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { CheckView } from "./check-view.tsx";
import { RepairProgress } from "./repair-progress.tsx";
import { StartCheck } from "./start-check.tsx";

/** `#/drift`: the newest check. `#/drift/<job>`: a check, its findings, and their repair. */
export function DriftPage({ path: [chosen], query }: PageProps) {
  const jobs = useResource<{ jobs: readonly Job[] }>((api, signal) => api.get("v1/jobs", { signal }), []);
  // A check that was started since is not in the list yet. What is shown stays meanwhile, a preview with it.
  useEffect(() => {
    if (chosen !== undefined && jobs.value?.jobs.some(({ id }) => id === chosen) === false) jobs.reload();
  }, [chosen]);
  return (
    <>
      <PageHead title="Drift" about="Where a store differs from the ledger" />
      {mayAct.value && <StartCheck />}
      <Loaded resource={jobs} what="the checks">
        {(listed) => {
          const repair = listed.jobs.find(({ kind, state }) => kind === "repair" && state === "running");
          const shown = chosen ?? listed.jobs.find(({ kind }) => kind === "check")?.id;
          return (
            <>
              {repair !== undefined && <RepairProgress key={repair.id} id={repair.id} title="A repair is running" />}
              {shown === undefined ? (
                <EmptyState title="No check has run yet">
                  <p>A check compares the stores with the ledger. It only reads.</p>
                </EmptyState>
              ) : (
                <CheckView
                  key={shown}
                  id={shown}
                  checks={listed.jobs.filter(({ kind }) => kind === "check")}
                  query={query}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}
