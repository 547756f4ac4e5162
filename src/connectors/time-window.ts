/** A span of time, both ends included; null: open. Milliseconds since 1970. */
export interface TimeWindow {
  readonly from: number | null;
  readonly to: number | null;
}

export const ALL_TIME: TimeWindow = { from: null, to: null };
