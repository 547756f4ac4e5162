import type { Measure, Target, Unit } from "../harness/scenario.ts";

/** One figure, and what is promised of it; null: nothing. */
export type Figure = readonly [figure: string, unit: Unit, values: readonly number[], max: number | null];

const OURS = "mnemosync/connectors";

export function measuresOf(figures: readonly Figure[]): Measure[] {
  return figures.map(([figure, unit, values]): Measure => ({ contender: OURS, role: "ours", figure, unit, values }));
}

export function targetsOf(figures: readonly Figure[], median: (values: readonly number[]) => number): Target[] {
  return figures.flatMap(([figure, unit, values, max]): Target[] => {
    if (max === null) return [];
    return [{ what: `${figure}, beside ${max} ${unit}`, ratio: median(values) / max, bound: 1, kind: "at most" }];
  });
}
