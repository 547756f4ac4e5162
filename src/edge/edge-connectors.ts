import type { ConnectorRows } from "./file/connector-rows.ts";
import type { FilePort } from "./worker/file-port.ts";

const CALLS = [
  ...["definitions", "define", "begin", "checkpoint", "end", "release", "cursor", "items", "unseen", "inState"],
  ...["countImported", "runs", "deadLetters", "dropDeadLetters"],
] as const;

/** What connectors keep in an edge's file, as the thread of the caller sees it. */
export type EdgeConnectors = {
  readonly [Name in keyof ConnectorRows]: (
    ...args: Parameters<ConnectorRows[Name]>
  ) => Promise<ReturnType<ConnectorRows[Name]>>;
};

/** @param port asked for at each call: it refuses once the edge is closed. */
export function edgeConnectors(port: () => FilePort): EdgeConnectors {
  const calls = CALLS.map((name) => [
    name,
    async (...args: unknown[]) => await port().connectors({ name: name as keyof ConnectorRows, args }),
  ]);
  return Object.fromEntries(calls) as EdgeConnectors;
}
