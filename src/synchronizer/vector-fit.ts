import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { keepVectorShape, sampleDimensions } from "../ledger/embedding-statements.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection } from "../stores/projection.ts";
import { StoreRegistry } from "../stores/registry.ts";

/**
 * Warns of stores that were set up for vectors of another length than the ledger's: they would hold none of them, and every
 * search would come back empty. It is no error: after a change of the model, this is where the new vectors go.
 */
export async function warnOfMisfits(
  postgres: PostgresAccess,
  projections: readonly Projection[],
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const prescribing = projections.filter(({ traits }) => traits.vectorShape?.dimension !== undefined);
  if (prescribing.length === 0) return;
  const [most] = await postgres.use(signal, ({ sql }) => sampleDimensions(sql));
  if (most === undefined) return;
  for (const { id: store, traits } of prescribing) {
    const dimension = traits.vectorShape?.dimension;
    if (dimension === most.dimension) continue;
    const advice =
      `the ledger's vectors have ${most.dimension} numbers, and store ${store} takes ${dimension}: it holds none of them. ` +
      "Correct the dimension, or have the memories embedded anew (mnemosync check, then repair, with an embedder)";
    log.warn({ store, dimension, found: most.dimension, sampled: most.memories, advice }, "store.vectors_do_not_fit");
  }
}

/** Tells writers that run no store which vectors this deployment takes. */
export async function tellVectorShape(
  postgres: PostgresAccess,
  projections: readonly Projection[],
  signal: AbortSignal,
): Promise<void> {
  const { dimension, model = null, metric = null } = new StoreRegistry(projections).vectorShape;
  if (dimension === undefined) return;
  await postgres.use(signal, ({ sql }) => keepVectorShape(sql, { dimension, model, metric }));
}
