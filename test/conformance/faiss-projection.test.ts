import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeSource } from "../../src/domain/change-source.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { Metric } from "../../src/stores/faiss/protocol/metric.ts";
import { DIMENSION } from "./changes.ts";
import { describeProjection, type SharedStore } from "./projection.ts";

const soon = (): AbortSignal => AbortSignal.timeout(90_000);

/** A ledger in which nothing ever happened. */
const nothing: ChangeSource = {
  epoch: async () => "epoch",
  changesAfter: async (cursor) => ({ headers: [], cursor }),
  currentChanges: async (keys) => keys.map(() => null),
};

async function open(metric: Metric): Promise<SharedStore> {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-conformance-"));
  const projection = await FaissProjection.open(
    { directory, dimension: DIMENSION, metric },
    { source: nothing },
    soon(),
  );
  return {
    projection,
    exactVectors: metric !== "cosine",
    clear: async () => {
      let cursor: string | null = null;
      const removals = [];
      do {
        const page = await projection.scan(cursor, {}, soon());
        for (const found of page.entries) {
          const key = { namespace: found.namespace, memoryId: found.memoryId };
          removals.push({ key, found, change: null });
        }
        cursor = page.cursor;
      } while (cursor !== null);
      await projection.replace(removals, soon());
    },
    close: async () => {
      await projection.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

describeProjection("FAISS, cosine", () => open("cosine"));
describeProjection("FAISS, dot product", () => open("ip"));
describeProjection("FAISS, Euclidean", () => open("l2"));
