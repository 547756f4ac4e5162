import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { EffectiveOptions } from "../config/options.ts";
import type { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Embedder } from "../embed/embedder.ts";
import { Ledger, type LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection } from "../stores/projection.ts";

/** What is open when a synchronizer is assembled. */
export interface Connections {
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  /** Null with clients of the caller's. */
  readonly pools: ConnectionPoolManager | null;
  /** In the order of reports. */
  readonly projections: readonly Projection[];
  readonly embedder: Embedder | null;
  readonly log: Log;
}

/** A ledger on `postgres`, named as the options say. */
export function createLedger(options: EffectiveOptions, postgres: PostgresAccess): Ledger {
  return new Ledger(postgres, {
    nodeId: options.nodeId ?? defaultNodeId(options),
    callTimeoutMs: options.callTimeoutMs,
  });
}

/** A name that stays the same from start to start: of this host and this index folder. */
export function defaultNodeId({ faiss }: { readonly faiss?: { readonly directory: string } | undefined }): string {
  const place = faiss === undefined ? "" : resolve(faiss.directory);
  return createHash("sha256").update(`${hostname()}\u0000${place}`).digest("hex").slice(0, 12);
}
