import type { Hub } from "../../hub/protocol/hub.ts";

/**
 * The hub straight at its PostgreSQL. The driver and the write path are loaded with the first call: an edge that reaches its hub
 * by HTTP loads neither.
 */
export function postgresHub(options: {
  readonly postgresUrl: string;
  readonly device: string;
  readonly deviceName?: string | undefined;
  readonly timeoutMs: number;
}): Hub {
  let opening: Promise<Hub> | null = null;
  const opened = (): Promise<Hub> => {
    opening ??= import("../../hub/ledger-hub.ts").then(({ LedgerHub }) => new LedgerHub(options));
    return opening;
  };
  return {
    identify: async (signal) => await (await opened()).identify(signal),
    push: async (push, signal) => await (await opened()).push(push, signal),
    changesAfter: async (cursor, query, signal) => await (await opened()).changesAfter(cursor, query, signal),
    close: async () => await (await opening)?.close(),
  };
}
