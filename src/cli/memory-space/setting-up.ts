import { ConfigurationError, NotFoundError } from "../../index.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { duration } from "../output.ts";
import { definitionOfFlags, type SpaceDefinition } from "./definition.ts";
import { clientOf, idOf, spaceOf } from "./spaces.ts";
import { withHome } from "./with-home.ts";

/** Keeps where a Memory Space is. The service need not answer for that. */
export async function add(invocation: Invocation): Promise<CommandResult> {
  const id = idOf(invocation);
  const definition = definitionOfFlags(invocation);
  clientOf(definition, invocation); // Checks the address and the key's variable before anything is kept.
  return await withHome(invocation, false, async (home) => {
    if (definition.media !== undefined && home.mediaDirectory === null)
      throw new ConfigurationError(
        "--media needs a folder for files: set connectors.mediaDirectory, here and on each node that makes runs",
      );
    const replaced = await home.define(id, definition);
    const { url, context, apiKey } = definition.from;
    const space = {
      ...{ id, url, context, namespace: definition.to.namespace },
      tags: definition.mapping.tags ?? null,
      apiKey: apiKey?.slice(2, -1) ?? null,
      media: definition.media?.kinds ?? [],
    };
    const key = space.apiKey === null ? "without a key" : `with the key in ${space.apiKey}`;
    const text = `${replaced ? "replaced" : "added"} ${id}: ${url}, ${key}, into namespace ${space.namespace} of the ${home.kind}. Next: mnemosync memory sync`;
    return { exitCode: EXIT.ok, json: { space, into: home.kind, replaced }, text };
  });
}

export async function remove(invocation: Invocation): Promise<CommandResult> {
  const id = idOf(invocation);
  return await withHome(invocation, false, async (home) => {
    if (!(await home.define(id, null))) throw new NotFoundError(`there is no Memory Space ${JSON.stringify(id)}`);
    return { exitCode: EXIT.ok, json: { removed: id }, text: `removed ${id}: its memories stay` };
  });
}

/** Proves that the service answers, takes the key and knows the context. */
export async function ping(invocation: Invocation): Promise<CommandResult> {
  const definition = await pinged(invocation);
  const startedAt = performance.now();
  const { dialect } = await clientOf(definition, invocation).ping({ signal: invocation.signal });
  const milliseconds = Math.round(performance.now() - startedAt);
  const { url, context } = definition.from;
  const filters = dialect === null ? "has no items yet" : `filters by ${dialect}`;
  return {
    exitCode: EXIT.ok,
    json: { url, context, filters: dialect, milliseconds },
    text: `${url} answers for ${context} (${duration(milliseconds)}), and ${filters}`,
  };
}

/** With --url it need not have been added. */
async function pinged(invocation: Invocation): Promise<SpaceDefinition> {
  if (invocation.flags.url !== undefined) return definitionOfFlags(invocation);
  return await withHome(invocation, false, async (home) => await spaceOf(home, invocation));
}
