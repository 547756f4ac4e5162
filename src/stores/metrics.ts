import type { MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import type { NamespaceVectors, VectorIndex } from "./vector-index.ts";

/** Namespaces that the gauge shows by name, those with the most vectors. The rest share one label. */
export const NAMESPACES_MAX = 50;

/** The label of all namespaces beyond `NAMESPACES_MAX`. No namespace can have this name. */
export const OTHER_NAMESPACES = "(other)";

/** The gauge of the vector index. */
export class VectorMetrics implements GaugeSource {
  readonly #index: VectorIndex | null;
  readonly #vectors;

  /** @param index null when the deployment has no index. */
  constructor(base: MetricBase, index: VectorIndex | null) {
    this.#index = index;
    this.#vectors = base.gauge("faiss_vectors", "Vectors in the index", ["namespace", "state"]);
  }

  async read(signal: AbortSignal): Promise<void> {
    // The index's health reports the failure; the gauge keeps its last values.
    const statistics = await this.#index?.statistics?.(signal).catch(() => null);
    const namespaces = statistics?.host?.namespaces;
    if (!namespaces) return;
    this.#vectors.reset(); // Drops namespaces that are no longer among the largest.
    for (const { namespace, live, dead, tombstones } of bounded(namespaces)) {
      this.#vectors.set({ namespace, state: "live" }, live);
      this.#vectors.set({ namespace, state: "dead" }, dead);
      this.#vectors.set({ namespace, state: "tombstone" }, tombstones);
    }
  }
}

/** The largest namespaces, and the sum of the rest. */
function bounded(namespaces: readonly NamespaceVectors[]): NamespaceVectors[] {
  if (namespaces.length <= NAMESPACES_MAX) return [...namespaces];
  const sorted = namespaces.toSorted((a, b) => b.live - a.live || (a.namespace < b.namespace ? -1 : 1));
  const rest = sorted.slice(NAMESPACES_MAX);
  const sum = (pick: (item: NamespaceVectors) => number): number => rest.reduce((total, item) => total + pick(item), 0);
  return [
    ...sorted.slice(0, NAMESPACES_MAX),
    {
      namespace: OTHER_NAMESPACES,
      live: sum((item) => item.live),
      dead: sum((item) => item.dead),
      tombstones: sum((item) => item.tombstones),
    },
  ];
}
