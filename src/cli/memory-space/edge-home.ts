import { EdgeTarget } from "../../connectors/run/edge-target.ts";
import { EdgeState } from "../../connectors/state/edge-state.ts";
import { EdgeStore } from "../../edge/index.ts";
import type { Invocation } from "../command.ts";
import { edgeOptions } from "../edge-options.ts";
import type { SpaceHome } from "./home.ts";

/** The file of an edge: memories go to its hub with the edge's own sync. */
export async function withEdge<T>(invocation: Invocation, work: (home: SpaceHome) => Promise<T>): Promise<T> {
  const options = edgeOptions(invocation);
  // A command that is over in a moment does not look at every page of the file first.
  const edge = await EdgeStore.open(options, { log: invocation.log, check: false });
  try {
    return await work(homeOf(edge, options.path));
  } finally {
    await edge.close();
  }
}

function homeOf(edge: EdgeStore, path: string): SpaceHome {
  const { connectors } = edge;
  return {
    kind: "edge",
    mediaDirectory: `${path}.media`,
    definition: async (id) => {
      const found = (await connectors.definitions()).find((each) => each.id === id);
      return found === undefined ? null : (JSON.parse(found.definition) as unknown);
    },
    define: async (id, definition) =>
      await connectors.define(id, definition === null ? null : JSON.stringify(definition)),
    state: async (id) => new EdgeState(connectors, id),
    target: (namespace) => new EdgeTarget(edge, namespace),
    metadataOf: async (namespace, memoryIds, signal) => {
      signal.throwIfAborted();
      const found = await Promise.all(memoryIds.map((memoryId) => edge.get(memoryId, { namespace })));
      return found.map((memory) => memory?.metadata ?? null);
    },
    page: async ({ signal, ...query }) => {
      signal.throwIfAborted();
      return await edge.list(query);
    },
  };
}
