/** What a caller may do; each right includes those before it. `operate`: what concerns all namespaces. */
export const RIGHTS = ["read", "write", "operate"] as const;
export type Right = (typeof RIGHTS)[number];

/** Who calls, as the door that lets it in knows it. */
export interface Caller {
  readonly right: Right;
  /** To whom idempotency keys belong. @default one that all callers share */
  readonly owner?: string | undefined;
  /** The namespaces that it may touch. @default all */
  mayTouch?(namespace: string): boolean;
  /** Bounds what an answer holds in memory. @throws where there is no room. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Fires when no answer can reach the caller any more: reads end, writes go on. */
  readonly hangUp?: AbortSignal | undefined;
}

export function hasRight(caller: Caller, right: Right): boolean {
  return RIGHTS.indexOf(caller.right) >= RIGHTS.indexOf(right);
}
