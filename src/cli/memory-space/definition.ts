import * as z from "zod";
import { DIALECTS } from "../../connectors/memory-space/dialect.ts";
import { MEDIA_KINDS } from "../../connectors/memory-space/item.ts";
import { lazily } from "../../domain/lazily.ts";
import { ConfigurationError, DEFAULT_NAMESPACE } from "../../index.ts";
import type { Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";

/** The variable that a Memory Space's key is read from, unless `--api-key-env` names another one. */
export const KEY_VARIABLE = "MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY";

/** A connector of a deployment may say more, e.g. when it runs: that is left alone. */
const definitionSchema = lazily(() =>
  z.object({
    from: z.object({
      type: z.literal("memory-space"),
      url: z.string(),
      context: z.string(),
      apiKey: z.string().optional().describe("A reference to a variable, never the key itself"),
      dialect: z.enum(["auto", ...DIALECTS]).optional(),
    }),
    to: z
      .object({ type: z.literal("memories"), namespace: z.string().default(DEFAULT_NAMESPACE) })
      .prefault({ type: "memories" }),
    mapping: z.object({ tags: z.array(z.string()).optional() }).default({}),
    media: z
      .object({
        kinds: z
          .array(z.enum(MEDIA_KINDS))
          .min(1)
          .default([...MEDIA_KINDS]),
        tags: z.array(z.string()).optional(),
      })
      .optional(),
  }),
);

/** A Memory Space as `memory add` keeps it: a connector's definition. */
export type SpaceDefinition = z.output<ReturnType<typeof definitionSchema>>;

/** The definition that the flags of `memory add` describe. @throws {UsageError} @throws {ConfigurationError} */
export function definitionOfFlags({ flags, environment }: Invocation): SpaceDefinition {
  const { url, userContext: context, namespace = DEFAULT_NAMESPACE, dialect, apiKeyEnv } = flags;
  if (typeof url !== "string" || typeof context !== "string") {
    throw new UsageError("expected: mnemosync memory add --url <address> --user-context <id> [--tags a,b]");
  }
  const variable = typeof apiKeyEnv === "string" ? apiKeyEnv : environment[KEY_VARIABLE] ? KEY_VARIABLE : null;
  const [tags, kinds, mediaTags] = [listOf(flags.tags), listOf(flags.media), listOf(flags.mediaTags)];
  const given = {
    from: {
      type: "memory-space",
      ...{ url, context },
      ...(variable !== null && { apiKey: `\${${variable}}` }),
      ...(dialect !== undefined && { dialect }),
    },
    to: { type: "memories", namespace },
    mapping: { ...(tags !== null && { tags }) },
    ...(kinds !== null && { media: { kinds, ...(mediaTags !== null && { tags: mediaTags }) } }),
  };
  const parsed = definitionSchema().safeParse(given);
  if (parsed.success) return parsed.data;
  throw new UsageError(z.prettifyError(parsed.error));
}

/** @throws {ConfigurationError} It is a connector of another kind. */
export function parseDefinition(id: string, definition: unknown): SpaceDefinition {
  const parsed = definitionSchema().safeParse(definition);
  if (parsed.success) return parsed.data;
  const flaw = z.prettifyError(parsed.error);
  throw new ConfigurationError(
    `connector ${id} is no Memory Space whose memories come here: ${flaw}. Give another --id`,
  );
}

/** The text with its `${NAME}`s replaced. @throws {ConfigurationError} A variable is not set. */
export function expanded(text: string, environment: NodeJS.ProcessEnv): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = environment[name];
    if (value !== undefined && value !== "") return value;
    throw new ConfigurationError(`the environment variable ${name} is not set: it has the key of the Memory Space`);
  });
}

function listOf(flag: unknown): string[] | null {
  if (typeof flag !== "string") return null;
  return flag
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
