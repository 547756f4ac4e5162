/** Reasons for which a memory ends, the weakest first. */
export const ENDINGS = ["expired", "deleted", "withdrawn", "erased"] as const;

/**
 * Why a memory has ended:
 * - `expired`: its `expiresAt` has passed.
 * - `deleted`: a caller deleted it.
 * - `withdrawn`: its origin no longer shares it.
 * - `erased`: its content must not exist any more, history included.
 */
export type Ending = (typeof ENDINGS)[number];

/** Whether an ending says more than the one that a memory has: then it is a version of its own. */
export function isStronger(ending: Ending, than: Ending): boolean {
  return ENDINGS.indexOf(ending) > ENDINGS.indexOf(than);
}
