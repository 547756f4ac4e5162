import { createConnectors, type HostedConnectors } from "../connectors/hosted/create-connectors.ts";
import { CallScope } from "./call-scope.ts";
import type { Changes } from "./changes.ts";
import type { Foundation } from "./foundation.ts";
import type { Reads } from "./reads.ts";
import type { Writes } from "./writes.ts";

export interface ConnectorCalls {
  readonly writes: Pick<Writes, "syncBatch" | "delete">;
  readonly reads: Pick<Reads, "getCommitted">;
  readonly changes: Pick<Changes, "readChanges">;
}

/**
 * Connectors, on the calls that every user of the library makes.
 * @param callsOf makes these calls within a scope: runs have one of their own, so that a synchronizer that closes refuses its
 *   callers at once, and its runs end as interrupted ones rather than as failed ones.
 */
export function assembleConnectors(
  foundation: Foundation,
  scope: CallScope,
  callsOf: (scope: CallScope) => ConnectorCalls,
): HostedConnectors {
  const { options, postgres, ledger, metrics, log } = foundation;
  const { writes, reads, changes } = callsOf(new CallScope(options.callTimeoutMs));
  return createConnectors({
    ...{ postgres, log, nodeId: ledger.nodeId, metrics: metrics.connectors, environment: process.env },
    settings: options.connectors,
    writer: {
      syncBatch: (memories, call) => writes.syncBatch(memories, call),
      delete: (memoryId, call) => writes.delete(memoryId, call),
    },
    feed: {
      readChanges: (call) => changes.readChanges(call),
      get: (memoryId, call) => reads.getCommitted(memoryId, call),
    },
    run: (name, call, work) => scope.run(name, call, work),
    callTimeoutMs: options.callTimeoutMs,
  });
}
