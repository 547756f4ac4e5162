import { signal } from "@preact/signals";
import { exactTime, fullTime, relativeTime } from "../text/time.ts";

/** Milliseconds between two looks at the clock. */
const TICK_MS = 10_000;

/** The reader's clock, milliseconds since 1970. One timer for all times on the page. */
export const clock = signal(Date.now());

setInterval(() => {
  clock.value = Date.now();
}, TICK_MS);

export interface TimeProps {
  /** As the service writes it; null or undefined: never. */
  readonly at: string | null | undefined;
  /** @default "never" */
  readonly never?: string;
  /** The date and time in place of how long ago it was. */
  readonly isExact?: boolean;
}

/** A time in the reader's zone. The whole date is in its title. */
export function Time({ at, never = "never", isExact = false }: TimeProps) {
  if (at === null || at === undefined) return <span class="muted">{never}</span>;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {isExact ? exactTime(at) : relativeTime(at, clock.value)}
    </time>
  );
}
