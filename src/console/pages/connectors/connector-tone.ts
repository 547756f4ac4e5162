import type { ConnectorStatus } from "../../api/documents.ts";
import type { Tone } from "../../components/tone.ts";

/** How the state of a connector is to be taken. */
export function connectorTone({
  state,
  consecutiveFailures,
  pausedBecause,
}: Pick<ConnectorStatus, "state" | "consecutiveFailures" | "pausedBecause">): Tone {
  if (state === "invalid" || pausedBecause === "authentication") return "bad";
  if (state === "paused" || consecutiveFailures > 0) return "warning";
  return state === "running" ? "busy" : "good";
}
