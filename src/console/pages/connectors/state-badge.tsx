import type { ConnectorStatus } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { connectorTone } from "./connector-tone.ts";

export function StateBadge({ status }: { readonly status: ConnectorStatus }) {
  const why = status.pausedBecause === "authentication" ? " (its key was refused)" : "";
  return (
    <Badge tone={connectorTone(status)}>
      {status.state}
      {why}
    </Badge>
  );
}
