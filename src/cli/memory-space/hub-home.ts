import { settingAt } from "../../config/settings.ts";
import type { RunRecord } from "../../connectors/state/state.ts";
import { type ConnectorRun, type Connectors, type MemorySynchronizer, NotFoundError } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { untilEnded } from "../commands/connector-waiting.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { parseDefinition } from "./definition.ts";
import type { SpaceHome } from "./home.ts";

/**
 * The memories of a deployment, through its synchronizer. A Memory Space is one of its connectors: what is known of it is in the
 * ledger's database, whichever machine the command runs on.
 */
export async function withHub<T>(
  invocation: Invocation,
  writes: boolean,
  work: (home: SpaceHome) => Promise<T>,
): Promise<T> {
  const adapt = writes ? (options: Parameters<typeof withoutIndex>[0]) => options : withoutIndex;
  return await withSynchronizer(invocation, async (sync) => await work(homeOf(sync, invocation)), adapt);
}

function homeOf(sync: MemorySynchronizer, invocation: Invocation): SpaceHome {
  const { connectors } = sync;
  const { signal, settings, flags } = invocation;
  const mediaDirectory = settingAt(settings, ["connectors", "mediaDirectory"]);
  return {
    kind: "hub",
    mediaDirectory: typeof mediaDirectory === "string" ? mediaDirectory : null,
    definition: async (id) => (await found(connectors, id, signal))?.shown ?? null,
    define: async (id, definition) => {
      const before = await found(connectors, id, signal);
      if (before === null) {
        if (definition !== null) await connectors.create(id, definition, { signal });
        return false;
      }
      parseDefinition(id, before.shown); // Another connector of this name is not touched.
      if (definition === null) await connectors.remove(id, { signal });
      else {
        // Its schedule stays, which the command line does not know.
        const { media: _, ...kept } = before.shown;
        await connectors.replace(id, { ...kept, ...definition }, { revision: before.revision, signal });
      }
      return true;
    },
    state: async (id) => await connectors.sourceState(id, { signal }),
    sync: async (id, _, order) => {
      const made = await connectors.trigger(id, { ...order, here: true, signal });
      return recordOf(await untilEnded(connectors, id, made.id, { ...invocation, flags: { ...flags, here: true } }));
    },
    metadataOf: async (namespace, memoryIds, each) => {
      const memories = await sync.getMany(memoryIds, { namespace, signal: each });
      return memories.map((memory) => memory?.metadata ?? null);
    },
    page: async (query) => await sync.list(query),
  };
}

async function found(connectors: Connectors, id: string, signal: AbortSignal) {
  try {
    return await connectors.get(id, { signal });
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}

/** One that no process has begun was given back by the end of the command. */
function recordOf({ state, startedAt, ...run }: ConnectorRun): RunRecord {
  const { id, scope, counts, endedAt, cursorBefore, cursorAfter, error } = run;
  return {
    ...{ id, scope, counts, endedAt, cursorBefore, cursorAfter, error },
    state: state === "queued" ? "interrupted" : state,
    startedAt: startedAt ?? endedAt ?? Date.now(),
  };
}
