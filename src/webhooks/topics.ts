/** The topic of memories that change: a subscription to it follows the change feed. */
export const CHANGE_TOPIC = "change";

/**
 * Topics of what happens to the service as a whole: an operator's. The set is open: each part that has something to tell
 * adds a line, and its row in docs/events.md.
 */
export const SERVICE_TOPICS = [
  "drift",
  "conflict",
  "repair",
  "health",
  "backlog",
  "run.failed",
  "run.partial",
  "connector.stalled",
] as const;
export type ServiceTopic = (typeof SERVICE_TOPICS)[number];

export const TOPICS: readonly string[] = [CHANGE_TOPIC, ...SERVICE_TOPICS];
