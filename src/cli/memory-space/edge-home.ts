import { collectMedia } from "../../connectors/media/collect-media.ts";
import { MediaFolder } from "../../connectors/media/media-folder.ts";
import { MemorySpaceSource } from "../../connectors/memory-space/source.ts";
import { EdgeTarget } from "../../connectors/run/edge-target.ts";
import type { RunRefused } from "../../connectors/run/run-record.ts";
import { runSource } from "../../connectors/run/source-run.ts";
import { EdgeState } from "../../connectors/state/edge-state.ts";
import type { RunCounts, RunRecord } from "../../connectors/state/state.ts";
import { EdgeStore } from "../../edge/index.ts";
import type { Invocation } from "../command.ts";
import { edgeOptions } from "../edge-options.ts";
import { count } from "../output.ts";
import { startProgress } from "../progress.ts";
import type { SpaceDefinition } from "./definition.ts";
import type { SpaceHome, SpaceOrder } from "./home.ts";
import { clientOf, mediaPathOf } from "./spaces.ts";

/** The file of an edge: memories go to its hub with the edge's own sync. */
export async function withEdge<T>(invocation: Invocation, work: (home: SpaceHome) => Promise<T>): Promise<T> {
  const options = edgeOptions(invocation);
  // A command that is over in a moment does not look at every page of the file first.
  const edge = await EdgeStore.open(options, { log: invocation.log, check: false });
  try {
    return await work(homeOf(edge, options.path, invocation));
  } finally {
    await edge.close();
  }
}

function homeOf(edge: EdgeStore, path: string, invocation: Invocation): SpaceHome {
  const { connectors } = edge;
  const mediaDirectory = `${path}.media`;
  const home: SpaceHome = {
    kind: "edge",
    mediaDirectory,
    definition: async (id) => {
      const found = (await connectors.definitions()).find((each) => each.id === id);
      return found === undefined ? null : (JSON.parse(found.definition) as unknown);
    },
    define: async (id, definition) =>
      await connectors.define(id, definition === null ? null : JSON.stringify(definition)),
    state: async (id) => new EdgeState(connectors, id),
    sync: async (id, definition, order) => {
      const folder = new MediaFolder(mediaPathOf(mediaDirectory, id));
      const state = new EdgeState(connectors, id);
      return await ran({ edge, home, folder, state, definition, order, invocation });
    },
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
  return home;
}

interface RunParts {
  readonly edge: EdgeStore;
  readonly home: Pick<SpaceHome, "metadataOf">;
  readonly folder: MediaFolder;
  readonly state: EdgeState;
  readonly definition: SpaceDefinition;
  readonly order: SpaceOrder;
  readonly invocation: Invocation;
}

async function ran(parts: RunParts): Promise<RunRecord | RunRefused> {
  const { edge, home, folder, state, definition, order, invocation } = parts;
  const { mapping, media, to } = definition;
  const { limit, ...options } = order;
  const source = new MemorySpaceSource(
    clientOf(definition, invocation),
    { namespace: to.namespace, ...mapping, media },
    folder,
  );
  const target = new EdgeTarget(edge, to.namespace);
  // Also where none is fetched any more: what was fetched before goes with its memories.
  const tidy = async (_: RunRecord, signal: AbortSignal): Promise<void> => {
    await collectMedia(folder, home.metadataOf, signal);
  };
  // A listing does not say how many items it has: a full one has about as many as were imported.
  const imported = order.scope === "full" ? await state.countImported() : 0;
  const progress = await startProgress("reading", imported === 0 ? null : imported, "{read} read, {written} written");
  const onProgress = (counts: RunCounts) =>
    progress.update(Math.min(counts.read, imported), {
      read: count(counts.read),
      written: count(counts.created + counts.updated),
    });
  try {
    return await runSource(
      { source, target, state, onProgress, tidy },
      { ...options, ...(limit !== null && { limit }) },
      invocation.signal,
    );
  } finally {
    progress.stop();
    await state.close();
  }
}
