import { MnemosyncError } from "../../domain/errors.ts";

/** A run of the connector goes on, or waits for its turn: nothing was done. */
export class ConnectorRunningError extends MnemosyncError {
  readonly code = "CONNECTOR_RUNNING";
  readonly retryable = true;
  readonly connectorId: string;
  readonly runId: string;

  constructor(connectorId: string, runId: string) {
    super(`connector ${connectorId} has run ${runId} under way: wait for its end, or cancel it`);
    this.connectorId = connectorId;
    this.runId = runId;
  }
}
