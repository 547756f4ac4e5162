import { median } from "../support/statistics.ts";
import type { Measure, Target } from "./scenario.ts";

/** Which measure: its contender, and the figure where it has several. */
export interface Of {
  readonly contender: string;
  readonly figure?: string;
}

/** The median of one measure. @throws when there is no such measure, which is a mistake in the scenario. */
export function medianOf(measures: readonly Measure[], { contender, figure }: Of): number {
  const found = measures.find((measure) => measure.contender === contender && measure.figure === figure);
  if (found === undefined) throw new Error(`nothing was measured of ${contender}${figure ? `, ${figure}` : ""}`);
  return median(found.values);
}

/** A promise about the median of one measure divided by that of another. */
export function ratioTarget(
  what: string,
  measures: readonly Measure[],
  [part, whole]: readonly [Of, Of],
  kind: Target["kind"],
  bound: number,
): Target {
  return { what, ratio: medianOf(measures, part) / medianOf(measures, whole), kind, bound };
}

/** Whether a promise was kept. What is no number keeps none. */
export function isMet({ ratio, bound, kind }: Target): boolean {
  return kind === "at least" ? ratio >= bound : ratio <= bound;
}

/** The measure that another one is shown beside: the first floor of the same unit and figure; null for that one itself. */
export function floorOf(measures: readonly Measure[], measure: Measure): Measure | null {
  const floor = measures.find(
    ({ role, unit, figure }) => role === "floor" && unit === measure.unit && figure === measure.figure,
  );
  return floor === undefined || floor === measure ? null : floor;
}
