import { ApiError } from "../../api/api-error.ts";
import { pathOf } from "../../api/client.ts";
import { Button } from "../../components/button.tsx";
import { EmptyState, ErrorState, Loading } from "../../components/feedback.tsx";
import { Time } from "../../components/time.tsx";
import { VirtualList } from "../../components/virtual-list.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { counted, whole } from "../../text/numbers.ts";
import { type Criteria, filterOf, isNarrowed } from "./criteria.ts";
import { type MemoryRow, useListPages } from "./list-pages.ts";

const ROW_HEIGHT = 76;

interface Count {
  readonly count: number;
  readonly estimate: boolean;
}

/** The memories that pass the filter, however many: more are read as the reader comes to the end. */
export function MemoryList({ namespace, criteria }: { readonly namespace: string; readonly criteria: Criteria }) {
  const where = filterOf(criteria);
  const pages = useListPages(namespace, criteria.order, where);
  const filter = where === undefined ? undefined : JSON.stringify(where);
  const count = useResource<Count>(
    async (api, signal) => {
      const path = pathOf("v1", "namespaces", namespace, "count");
      try {
        return await api.get<Count>(path, { query: { where: filter }, signal });
      } catch (error) {
        // Too many to count in time: the guess of the database's planner does.
        if (!(error instanceof ApiError) || error.code !== "DEADLINE_EXCEEDED") throw error;
        return await api.get<Count>(path, { query: { where: filter, estimate: true }, signal });
      }
    },
    [namespace, filter],
  );
  const { rows, isComplete, isLoading, isPaused, error, more } = pages;

  if (rows.length === 0 && isComplete) {
    return isNarrowed(criteria) ? (
      <EmptyState title="No memory passes this filter">
        <a href={linkTo("memories", [namespace])}>List all memories</a>
      </EmptyState>
    ) : (
      <EmptyState title={`The namespace ${namespace} has no memories`} />
    );
  }
  if (rows.length === 0 && error !== null) return <ErrorState error={error} onRetry={more} />;
  if (rows.length === 0 && !isPaused) return <Loading what="the memories" />;
  const total = isComplete ? rows.length : count.value && !count.value.estimate ? count.value.count : null;
  return (
    <div class="stack stack-close">
      <p class="muted" role="status">
        {totalText(count.value, isComplete ? rows.length : null)}
        {!isComplete && `, ${whole(rows.length)} read`}
      </p>
      <VirtualList
        label={`Memories of ${namespace}`}
        rows={rows}
        total={total}
        rowHeight={ROW_HEIGHT}
        keyOf={({ memoryId }) => memoryId}
        hrefOf={({ memoryId }) => linkTo("memories", [namespace, memoryId])}
        onEnd={error === null && !isPaused ? more : undefined}
        footer={
          <div class="virtual-foot">
            {isLoading && <Loading what="more memories" />}
            {isPaused && <Button onClick={more}>Few pass this filter: look further</Button>}
            {error !== null && <ErrorState error={error} onRetry={more} />}
          </div>
        }
      >
        {(row) => <MemoryRowText row={row} />}
      </VirtualList>
    </div>
  );
}

function totalText(counted_: Count | undefined, read: number | null): string {
  if (read !== null) return counted(read, "memory", "memories");
  if (counted_ === undefined) return "Counting";
  return `${counted_.estimate ? "About " : ""}${counted(counted_.count, "memory", "memories")}`;
}

export function MemoryRowText({ row, score }: { readonly row: MemoryRow; readonly score?: string }) {
  return (
    <>
      <span class="row-title">
        <span>{row.memoryId}</span>
        {score !== undefined && <span class="row-score">{score}</span>}
      </span>
      <span class="row-snippet">{row.snippet === "" ? "(empty)" : row.snippet}</span>
      <span class="row-meta">
        <span>{row.memoryType}</span>
        <span>importance {row.importance}</span>
        {row.privacy !== "full" && <span>{row.privacy}</span>}
        <span>version {row.version}</span>
        <Time at={row.modifiedAt} />
      </span>
    </>
  );
}
