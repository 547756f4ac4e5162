import { useEffect } from "preact/hooks";

/** Reads anew after each change; what is shown stays in sight meanwhile. @param changes how many there were. */
export function useReloadAfter(changes: number, reload: () => void): void {
  useEffect(() => {
    if (changes > 0) reload();
  }, [changes, reload]);
}
