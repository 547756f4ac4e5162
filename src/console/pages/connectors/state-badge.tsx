import type { ConnectorStatus } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";

const TONES: Readonly<Record<ConnectorStatus["state"], Tone>> = {
  invalid: "bad",
  paused: "warning",
  running: "busy",
  idle: "good",
};

export function StateBadge({ status: { state, pausedBecause } }: { readonly status: ConnectorStatus }) {
  const why = pausedBecause === "authentication" ? " (its key was refused)" : "";
  return (
    <Badge tone={TONES[state]}>
      {state}
      {why}
    </Badge>
  );
}
