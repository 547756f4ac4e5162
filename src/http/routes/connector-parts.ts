import * as z from "zod";
import { CONNECTOR_ID } from "../../connectors/definition.ts";
import type { ConnectorRun } from "../../connectors/hosted/run-view.ts";
import { connectorRunDocument, connectorRunSchema } from "../../documents/connector-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import type { RouteReply } from "../route.ts";

/** What the routes of connectors share. */

export const connectorId = lazily(() =>
  z.string().regex(CONNECTOR_ID, "expected a-z, 0-9 and -, at most 63, not - first"),
);
export const connectorParams = lazily(() => z.object({ connectorId: connectorId() }));

export const unknown = { description: "There is no such connector" };
export const busy = { description: "A run of the connector goes on: `runId` names it" };
export const started = {
  202: { description: "Made", schema: connectorRunSchema, headers: { Location: "The run" } },
} as const;

export function startedReply(run: ConnectorRun): RouteReply {
  const location = `/v1/connectors/${run.connectorId}/runs/${run.id}`;
  return { status: 202, headers: { location }, body: connectorRunDocument(run) };
}
