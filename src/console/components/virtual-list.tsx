import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows that are rendered above and below what is in sight. */
const OVERSCAN = 6;

export interface VirtualListProps<Row> {
  /** What the list holds, for screen readers. */
  readonly label: string;
  readonly rows: readonly Row[];
  /** Of the whole list, of which `rows` is the beginning; null: it is not known. */
  readonly total: number | null;
  /** Pixels, of every row. */
  readonly rowHeight: number;
  readonly keyOf: (row: Row) => string;
  /** Where a row leads to. */
  readonly hrefOf: (row: Row) => string;
  readonly children: (row: Row) => ComponentChildren;
  /** Called when the end of `rows` comes into sight. */
  readonly onEnd?: (() => void) | undefined;
  /** Below the last row. */
  readonly footer?: ComponentChildren;
}

/**
 * A list of links of any length: only the rows in sight are in the document. The arrow keys, Page up, Page down, Home and End
 * move between the rows; Tab leaves the list.
 */
export function VirtualList<Row>(props: VirtualListProps<Row>) {
  const { label, rows, total, rowHeight, keyOf, hrefOf, children, onEnd, footer } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(0);
  const wantsFocus = useRef(false);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(view.top / rowHeight) - OVERSCAN);
  const last = Math.min(rows.length - 1, Math.ceil((view.top + view.height) / rowHeight) + OVERSCAN);
  const current = Math.min(active, rows.length - 1);

  const isAtEnd = last >= rows.length - 1;
  // Also where the number of rows changes: behind a page that is short, the end is in sight still.
  useEffect(() => {
    if (isAtEnd) onEnd?.();
  }, [isAtEnd, rows.length]);

  // With the render that moves, not behind it: the effect of the render before would take the wish for its own row.
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    box.current?.querySelector<HTMLElement>(`[data-index="${current}"]`)?.focus({ preventScroll: true });
  });

  function move(to: number): void {
    const target = Math.max(0, Math.min(rows.length - 1, to));
    const element = box.current;
    if (element === null || rows.length === 0) return;
    const top = target * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + rowHeight - element.clientHeight;
    }
    wantsFocus.current = true;
    setActive(target);
    setView({ top: element.scrollTop, height: element.clientHeight });
  }

  function onKeyDown(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: rows.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(to);
  }

  const shown = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
  // The row with the focus stays in the document, or the focus would be lost when it scrolls out of sight.
  if (current >= 0 && current < rows.length && !shown.includes(current)) shown.push(current);
  shown.sort((one, other) => one - other);

  return (
    <div
      ref={box}
      class="virtual"
      onScroll={(event) => setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: a row's place in the whole list is told by attributes. */}
      <div
        role="list"
        aria-label={label}
        class="virtual-rows"
        style={{ height: `${rows.length * rowHeight}px` }}
        onKeyDown={onKeyDown}
      >
        {shown.map((index) => {
          const row = rows[index] as Row;
          return (
            // biome-ignore lint/a11y/useSemanticElements: as above.
            <div
              key={keyOf(row)}
              role="listitem"
              aria-posinset={index + 1}
              aria-setsize={total ?? -1}
              class="virtual-row"
              style={{ transform: `translateY(${index * rowHeight}px)`, height: `${rowHeight}px` }}
            >
              <a
                href={hrefOf(row)}
                data-index={index}
                tabIndex={index === current ? 0 : -1}
                onFocus={() => setActive(index)}
              >
                {children(row)}
              </a>
            </div>
          );
        })}
      </div>
      {footer}
    </div>
  );
}
