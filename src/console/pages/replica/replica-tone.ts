import type { Replica } from "../../api/documents.ts";
import type { Tone } from "../../components/tone.ts";

/** How the state of a replica is to be taken. */
export function replicaTone({
  isUp,
  isPaused,
  reason,
  state,
}: Pick<Replica, "isUp" | "isPaused" | "reason" | "state">): Tone {
  if (!isUp || state === "unavailable" || state === "refused") return "bad";
  if (isPaused || reason !== null) return "warning";
  return state === "following" || state === "standby" ? "good" : "busy";
}
