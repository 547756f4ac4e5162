import { useEffect, useRef } from "preact/hooks";

/** Reads anew after each change; what is shown stays in sight meanwhile. @param changes another text after each of them. */
export function useReloadAfter(changes: string, reload: () => void): void {
  const read = useRef(changes);
  useEffect(() => {
    if (read.current === changes) return;
    read.current = changes;
    reload();
  }, [changes, reload]);
}
