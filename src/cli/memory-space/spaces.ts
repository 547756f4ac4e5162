import { join, resolve } from "node:path";
import { HIDDEN } from "../../connectors/hosted/hidden-secrets.ts";
import { MemorySpaceClient } from "../../connectors/memory-space/client.ts";
import { ConfigurationError, NotFoundError } from "../../index.ts";
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
export function mediaPathOf(mediaDirectory: string, id: string): string {
  return join(resolve(mediaDirectory), encodeURIComponent(id));
}

/** @throws {ConfigurationError} The variable of its key is not set, or the key is kept encrypted. */
export function clientOf({ from }: SpaceDefinition, { environment, log }: Invocation): MemorySpaceClient {
  const { url, context, apiKey, dialect } = from;
  if (apiKey === HIDDEN)
    throw new ConfigurationError(
      "its key is kept encrypted, and is not shown to commands: mnemosync connector test asks it",
    );
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
