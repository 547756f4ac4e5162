/** Milliseconds for which a count is used again: a quota may be passed by what is written meanwhile. */
const FRESH_MS = 10_000;
/** Counts that are remembered. */
const KEPT_MAX = 1_000;

/** Counts of memories by namespace, each read at most once in ten seconds. @param now milliseconds on a clock that never goes back. */
export function recentCounts(
  read: (namespace: string, signal: AbortSignal) => Promise<number>,
  now: () => number,
): (namespace: string, signal: AbortSignal) => Promise<number> {
  const kept = new Map<string, { readonly count: number; readonly at: number }>();
  return async (namespace, signal) => {
    const last = kept.get(namespace);
    if (last !== undefined && now() - last.at < FRESH_MS) return last.count;
    const count = await read(namespace, signal);
    kept.delete(namespace);
    kept.set(namespace, { count, at: now() });
    const oldest = kept.size > KEPT_MAX ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return count;
  };
}
