import { createReplica, type Replica } from "../replica/create-replica.ts";
import { ReplicaOperations } from "../replica/replica-operations.ts";
import type { CallScope } from "./call-scope.ts";
import type { Foundation } from "./foundation.ts";

/** Replication to a second database, on the parts that every reader of the feed uses; without one nothing runs. */
export function assembleReplica(foundation: Foundation, scope: CallScope): Pick<Replica, "operations" | "services"> {
  const { replica: connection, options, postgres, past, feed, feedSignal: news, metrics, holder, log } = foundation;
  if (connection === null) {
    return { operations: new ReplicaOperations(null, (name, call, work) => scope.run(name, call, work)), services: [] };
  }
  return createReplica({
    ...{ connection, postgres, past, cursors: feed.cursors, news, holder, log },
    settings: options.replica,
    indexes: options.indexes,
    metrics: metrics.replica,
    run: (name, call, work) => scope.run(name, call, work),
    callTimeoutMs: options.callTimeoutMs,
  });
}
