import { useState } from "preact/hooks";
import { Button } from "./button.tsx";

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

/** @param next where the next page begins; null: there is none. */
export function Pager({
  pages,
  next,
  what,
}: {
  readonly pages: Pages;
  readonly next: string | null;
  readonly what: string;
}) {
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
