import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api/api-error.ts";
import { pathOf } from "../../api/client.ts";
import type { Memory } from "../../api/documents.ts";
import { signedIn } from "../../state/session.ts";

/** Memories of one page of the service. */
const PAGE_SIZE = 500;
/** Pages in a row that may be empty, as those of a filter that few pass, before the reader is asked. */
const EMPTY_PAGES_MAX = 20;
/** Characters of the content that a row keeps: a hundred thousand rows are held at a time. */
const SNIPPET_LENGTH = 200;

/** A memory as a row of a list shows it. */
export interface MemoryRow {
  readonly memoryId: string;
  readonly snippet: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly privacy: Memory["privacy"];
  readonly version: number;
  readonly modifiedAt: string;
}

export function rowOf({ memoryId, content, memoryType, importance, privacy, version, modifiedAt }: Memory): MemoryRow {
  const snippet = content.slice(0, SNIPPET_LENGTH).replaceAll(/\s+/g, " ");
  return { memoryId, snippet, memoryType, importance, privacy, version, modifiedAt };
}

export interface ListPages {
  readonly rows: readonly MemoryRow[];
  readonly isComplete: boolean;
  readonly isLoading: boolean;
  /** Many pages in a row were empty: `more` goes on. */
  readonly isPaused: boolean;
  readonly error: ApiError | null;
  /** Reads the next page, unless one is being read or there is none. */
  readonly more: () => void;
}

interface Held {
  readonly rows: readonly MemoryRow[];
  readonly cursor: string | null;
  readonly isLoading: boolean;
  readonly isPaused: boolean;
  readonly error: ApiError | null;
}

/** The memories of a namespace, page by page. The first page is read at once; each list is a new component. */
export function useListPages(namespace: string, order: string, where: object | undefined): ListPages {
  const { api } = signedIn.value;
  const [held, setHeld] = useState<Held>({ rows: [], cursor: "", isLoading: false, isPaused: false, error: null });
  const latest = useRef(held);
  latest.current = held;
  const ending = useRef<AbortController | null>(null);
  const filter = where === undefined ? undefined : JSON.stringify(where);

  const more = useCallback(() => {
    const signal = ending.current?.signal;
    const { cursor: from, isLoading } = latest.current;
    if (signal === undefined || isLoading || from === null) return;
    const put = (change: Partial<Held>) => {
      if (signal.aborted) return;
      latest.current = { ...latest.current, ...change };
      setHeld(latest.current);
    };
    const read = async (): Promise<void> => {
      put({ isLoading: true, isPaused: false, error: null });
      try {
        let cursor: string | null = from;
        for (let pages = 0; pages < EMPTY_PAGES_MAX && cursor !== null; pages++) {
          const query = { limit: PAGE_SIZE, orderBy: order, where: filter, cursor };
          const path = pathOf("v1", "namespaces", namespace, "memories");
          const page: { memories: Memory[]; cursor: string | null } = await api.get(path, { query, signal });
          cursor = page.cursor;
          if (page.memories.length > 0) {
            return put({ rows: [...latest.current.rows, ...page.memories.map(rowOf)], cursor, isLoading: false });
          }
        }
        put({ cursor, isLoading: false, isPaused: cursor !== null });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        put({ isLoading: false, error });
      }
    };
    void read();
  }, [api, namespace, order, filter]);

  useEffect(() => {
    ending.current = new AbortController();
    more();
    return () => {
      ending.current?.abort();
      ending.current = null;
    };
  }, [more]);

  const { rows, cursor, isLoading, isPaused, error } = held;
  return { rows, isComplete: cursor === null, isLoading, isPaused, error, more };
}
