import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { EffectiveOptions } from "../config/options.ts";
import type { ChangeSource } from "../domain/change-source.ts";
import type { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Embedder } from "../embed/embedder.ts";
import { Ledger, type LedgerStore } from "../ledger/ledger.ts";
import type { PastLedger } from "../ledger/past-ledger.ts";
import type { ReplicaConnection } from "../replica/connection.ts";
import type { Projection } from "../stores/projection.ts";
import type { Notifications } from "./notifications.ts";

/** What is open when a synchronizer is assembled. */
export interface Connections {
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly past: PastLedger;
  /** Null with clients of the caller's. */
  readonly pools: ConnectionPoolManager | null;
  /** In the order of reports. */
  readonly projections: readonly Projection[];
  readonly embedder: Embedder | null;
  /** Null: there is no replica. */
  readonly replica: ReplicaConnection | null;
  /** Its log is that of all rooms. */
  readonly notifications: Notifications;
}

/** A ledger on `postgres`, named as the options say. */
export function createLedger(
  options: EffectiveOptions,
  postgres: PostgresAccess,
  past: Pick<PastLedger, "known">,
): Ledger {
  return new Ledger(postgres, {
    nodeId: options.nodeId ?? defaultNodeId(options),
    callTimeoutMs: options.callTimeoutMs,
    knownEpoch: () => past.known?.epoch,
  });
}

/** What an index reads the ledger's feed from: each time, the ledger proves that it has all that was read before. */
export function changeSource(ledger: ChangeSource, past: PastLedger): ChangeSource {
  return {
    epoch: async (signal, seen) => (await past.prove(signal, seen)).epoch,
    mark: (signal) => past.mark(signal),
    changesAfter: (cursor, limit, signal) => ledger.changesAfter(cursor, limit, signal),
    currentChanges: (keys, signal) => ledger.currentChanges(keys, signal),
  };
}

/** A name that stays the same from start to start: of this host and this index folder. */
export function defaultNodeId({ faiss }: { readonly faiss?: { readonly directory: string } | undefined }): string {
  const place = faiss === undefined ? "" : resolve(faiss.directory);
  return createHash("sha256").update(`${hostname()}\u0000${place}`).digest("hex").slice(0, 12);
}
