/** The moments of an erasure at which fault tests end the process. */
export const ERASE_STEPS = [
  "requested",
  "begun",
  "page_listed",
  "all_listed",
  "memories_ended",
  "memories_scrubbed",
  "jobs_scrubbed",
  "proven",
  "store_cleared",
  "store_confirmed",
] as const;

export type EraseStep = (typeof ERASE_STEPS)[number];

export type OnEraseStep = (step: EraseStep) => void | Promise<void>;
