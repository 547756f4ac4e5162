import { useState } from "preact/hooks";
import type { Conflict } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { CheckField, SelectField, TextField } from "../../components/field.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { withChoice } from "../../state/choice.ts";
import { useResource } from "../../state/resource.ts";
import { go, linkTo } from "../../state/router.ts";
import { signedIn } from "../../state/session.ts";
import { counted } from "../../text/numbers.ts";
import { DecideMany } from "./decide-many.tsx";
import { isOpen } from "./decisions.ts";

const PAGE_SIZE = 100;

const STATES = [
  { value: "", text: "Awaiting a decision" },
  { value: "pending", text: "Pending, with repairs that were cut short" },
  { value: "resolved", text: "Resolved" },
  { value: "failed", text: "Failed" },
];

export const STATE_TONES: Readonly<Record<Conflict["state"], Tone>> = {
  pending: "warning",
  resolved: "good",
  failed: "bad",
};

export function ConflictList({ query }: { readonly query: URLSearchParams }) {
  const { namespaces } = signedIn.value.identity;
  const state = query.get("state") ?? "";
  const after = query.get("after") ?? "";
  // A key of some namespaces must name one.
  const namespace = query.get("namespace") ?? namespaces?.[0] ?? "";
  const [wanted, setWanted] = useState(namespace);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const resource = useResource<{ conflicts: readonly Conflict[] }>(
    (api, signal) => api.get("v1/conflicts", { query: { state, after, namespace, limit: PAGE_SIZE }, signal }),
    [state, after, namespace],
  );
  const show = (change: Record<string, string>) => {
    setChosen(new Set());
    go(linkTo("conflicts", [], { state, namespace, ...change }));
  };

  return (
    <>
      <PageHead title="Conflicts" about="Drift in which both sides may be right: look at both, and decide">
        <Button onClick={resource.reload} isBusy={resource.isLoading && resource.value !== undefined}>
          Read again
        </Button>
      </PageHead>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          show({ namespace: wanted.trim() });
        }}
      >
        <SelectField label="State" value={state} onInput={(value) => show({ state: value })} choices={STATES} />
        {namespaces === null ? (
          <>
            <TextField label="Namespace" value={wanted} onInput={setWanted} placeholder="All" />
            <div class="row">
              <Button type="submit">Show</Button>
            </div>
          </>
        ) : (
          <SelectField
            label="Namespace"
            value={namespace}
            onInput={(value) => show({ namespace: value })}
            choices={namespaces.map((name) => ({ value: name, text: name }))}
          />
        )}
      </form>
      <Loaded resource={resource} what="the conflicts">
        {({ conflicts }) => {
          if (conflicts.length === 0) return <NoConflicts state={state} isFirst={after === ""} />;
          const open = conflicts.filter(isOpen);
          const selected = open.filter(({ id }) => chosen.has(id));
          const isAll = open.length > 0 && selected.length === open.length;
          return (
            <div class="stack">
              {open.length > 0 && (
                <div class="row">
                  <CheckField
                    label={`All ${open.length} on this page`}
                    isChecked={isAll}
                    onChange={(isChecked) => setChosen(new Set(isChecked ? open.map(({ id }) => id) : []))}
                  />
                  <span class="muted" role="status">
                    {counted(selected.length, "conflict")} chosen
                  </span>
                  <DecideMany
                    conflicts={selected}
                    onDecided={() => {
                      setChosen(new Set());
                      resource.reload();
                    }}
                  />
                </div>
              )}
              <ConflictTable conflicts={conflicts} chosen={chosen} onChoose={setChosen} />
              <div class="row">
                {after !== "" && <Button onClick={() => show({ after: "" })}>First page</Button>}
                {conflicts.length >= PAGE_SIZE && (
                  <Button onClick={() => show({ after: conflicts.at(-1)?.id ?? "" })}>Next page</Button>
                )}
              </div>
            </div>
          );
        }}
      </Loaded>
    </>
  );
}

interface ConflictTableProps {
  readonly conflicts: readonly Conflict[];
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (chosen: ReadonlySet<string>) => void;
}

function ConflictTable({ conflicts, chosen, onChoose }: ConflictTableProps) {
  return (
    <Table
      label="Conflicts"
      rows={conflicts}
      keyOf={({ id }) => id}
      columns={[
        {
          name: "Choose",
          isNameHidden: true,
          cell: (conflict) =>
            isOpen(conflict) && (
              <CheckField
                isBare
                label={`Choose the conflict of ${conflict.memoryId}`}
                isChecked={chosen.has(conflict.id)}
                onChange={(isChecked) => onChoose(withChoice(chosen, conflict.id, isChecked))}
              />
            ),
        },
        {
          name: "Memory",
          isRowHeader: true,
          cell: ({ id, memoryId, namespace }) => (
            <>
              <a href={linkTo("conflicts", [id])}>{memoryId}</a>
              <span class="hint block">{namespace}</span>
            </>
          ),
        },
        { name: "State", cell: ({ state }) => <Badge tone={STATE_TONES[state]}>{state}</Badge> },
        { name: "Kind", cell: ({ kind }) => kind },
        { name: "Found in", cell: ({ store }) => store },
        {
          name: "Versions",
          cell: ({ ledgerVersion, foundVersion }) =>
            `ledger ${ledgerVersion ?? "none"}, there ${foundVersion ?? "none"}`,
        },
        { name: "Why", cell: ({ pendingBecause, resolution }) => pendingBecause ?? resolution ?? "" },
        { name: "Found", cell: ({ detectedAt }) => <Time at={detectedAt} /> },
      ]}
    />
  );
}

function NoConflicts({ state, isFirst }: { readonly state: string; readonly isFirst: boolean }) {
  if (!isFirst) return <EmptyState title="No more conflicts" />;
  if (state !== "") return <EmptyState title="There is no conflict in this state" />;
  return (
    <EmptyState title="No conflict awaits a decision">
      <p>A repair records a conflict here where its strategy leaves the decision to a person.</p>
      <a href={linkTo("drift")}>Run a check</a>
    </EmptyState>
  );
}
