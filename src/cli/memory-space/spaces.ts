import { join } from "node:path";
import { MediaFolder } from "../../connectors/media/media-folder.ts";
import { MemorySpaceClient } from "../../connectors/memory-space/client.ts";
import { NotFoundError } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { expanded, parseDefinition, type SpaceDefinition } from "./definition.ts";
import type { SpaceHome } from "./home.ts";

export function idOf({ flags }: Invocation): string {
  return String(flags.id);
}

/** @throws {NotFoundError} It was not added. */
export async function spaceOf(home: SpaceHome, invocation: Invocation): Promise<SpaceDefinition> {
  const id = idOf(invocation);
  const definition = await home.definition(id);
  if (definition !== null) return parseDefinition(id, definition);
  const which = id === "memory-space" ? "no Memory Space was added" : `there is no Memory Space ${JSON.stringify(id)}`;
  throw new NotFoundError(`${which}: mnemosync memory add --url <address> --user-context <id>`);
}

/** Where the files of a Memory Space are. */
export function mediaFolderOf(home: SpaceHome, id: string): MediaFolder {
  return new MediaFolder(join(home.mediaDirectory, encodeURIComponent(id)));
}

/** @throws {ConfigurationError} The variable of its key is not set. */
export function clientOf({ from }: SpaceDefinition, { environment, log }: Invocation): MemorySpaceClient {
  const { url, context, apiKey, dialect } = from;
  return new MemorySpaceClient(
    {
      ...{ url, context },
      ...(apiKey !== undefined && { apiKey: expanded(apiKey, environment) }),
      ...(dialect !== undefined && { dialect }),
    },
    {
      onRetry: ({ attempt, waitMs, error }) =>
        log.warn({ attempt, waitMs, error: error.message }, "connector.call_repeated"),
    },
  );
}
