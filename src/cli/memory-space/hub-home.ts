import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HubTarget } from "../../connectors/run/hub-target.ts";
import { JsonState } from "../../connectors/state/json-state.ts";
import type { MemorySynchronizer } from "../../index.ts";
import { textIfThere } from "../../runtime/if-there.ts";
import type { Invocation } from "../command.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import type { SpaceHome } from "./home.ts";

/** What is known of the connectors of this folder, beside the index's. */
const FOLDER = join(".mnemosync", "connectors");

/** The memories of a deployment, through its synchronizer. */
export async function withHub<T>(
  invocation: Invocation,
  writes: boolean,
  work: (home: SpaceHome) => Promise<T>,
): Promise<T> {
  const adapt = writes ? (options: Parameters<typeof withoutIndex>[0]) => options : withoutIndex;
  return await withSynchronizer(invocation, async (sync) => await work(homeOf(sync)), adapt);
}

function homeOf(sync: MemorySynchronizer): SpaceHome {
  const folder = resolve(FOLDER);
  const file = (id: string, part: string) => join(folder, `${encodeURIComponent(id)}.${part}.json`);
  return {
    kind: "hub",
    mediaDirectory: join(folder, "media"),
    definition: async (id) => {
      const text = await textIfThere(file(id, "definition"));
      return text === null ? null : (JSON.parse(text) as unknown);
    },
    define: async (id, definition) => {
      const before = await textIfThere(file(id, "definition"));
      await mkdir(folder, { recursive: true });
      if (definition !== null) await writeFile(file(id, "definition"), JSON.stringify(definition), { mode: 0o600 });
      else for (const part of ["definition", "state"]) await rm(file(id, part), { force: true });
      return before !== null;
    },
    state: async (id) => {
      await mkdir(folder, { recursive: true });
      return await JsonState.open(file(id, "state"));
    },
    target: (namespace) => new HubTarget(sync, namespace),
    metadataOf: async (namespace, memoryIds, signal) => {
      const found = await sync.getMany(memoryIds, { namespace, signal });
      return found.map((memory) => memory?.metadata ?? null);
    },
    page: async (query) => await sync.list(query),
  };
}
