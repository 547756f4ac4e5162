import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { Table, type TableProps } from "./table.tsx";

/** Where the reader is in a list that is read page by page. */
export interface Pages {
  /** Behind what the page begins; undefined: the first page. */
  readonly after: string | undefined;
  readonly goOn: (after: string) => void;
  readonly goBack: () => void;
}

export function usePages(): Pages {
  const [trail, setTrail] = useState<readonly string[]>([]);
  return {
    after: trail.at(-1),
    goOn: (after) => setTrail([...trail, after]),
    goBack: () => setTrail(trail.slice(0, -1)),
  };
}

export interface PagerProps {
  readonly pages: Pages;
  /** Where the next page begins; null: there is none. */
  readonly next: string | null;
  /** For screen readers: "Pages of …". */
  readonly what: string;
}

export interface PagedTableProps<Row> extends TableProps<Row>, PagerProps {
  /** Stands for the table where there is nothing at all. A later page may be empty too: it says nothing of those before. */
  readonly empty: ComponentChildren;
}

/** A table that is read page by page. */
export function PagedTable<Row>({ pages, next, what, empty, ...table }: PagedTableProps<Row>) {
  if (table.rows.length === 0 && pages.after === undefined) return <>{empty}</>;
  return (
    <>
      <Table {...table} />
      <Pager pages={pages} next={next} what={what} />
    </>
  );
}

function Pager({ pages, next, what }: PagerProps) {
  if (pages.after === undefined && next === null) return null;
  return (
    <nav class="row" aria-label={`Pages of ${what}`}>
      <Button disabled={pages.after === undefined} onClick={pages.goBack}>
        Page before
      </Button>
      <Button disabled={next === null} onClick={() => next !== null && pages.goOn(next)}>
        Next page
      </Button>
    </nav>
  );
}
