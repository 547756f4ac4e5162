import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { ConfigurationError } from "../../domain/errors.ts";
import { isObject, type JsonObject, type JsonValue } from "../../domain/json.ts";

/** The parts of a memory that a sink sends. */
export interface SentMemory {
  readonly memoryId: string;
  readonly content: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly metadata: JsonObject;
}

/** Makes the text of a memory. Deterministic: the same memory has the same text, in every process and at any time. */
export interface Transform {
  /** It is part of each text's hash: a changed transform sends all memories again. */
  readonly version: string;
  readonly textOf: (memory: SentMemory) => string;
}

export const TRANSFORM_NAMES = ["standard", "plain", "rich"] as const;
export type TransformName = (typeof TRANSFORM_NAMES)[number];

/**
 * - `plain`: the content alone
 * - `standard`: the content, then type, time, tags and place where the metadata has them
 * - `rich`: the content, then everything else
 */
export const TRANSFORMS: Readonly<Record<TransformName, Transform>> = {
  plain: { version: "plain-1", textOf: ({ content }) => content },
  standard: {
    version: "standard-1",
    textOf: ({ content, memoryType, metadata: { createdAt, tags, place } }) =>
      withFacts(content, { type: memoryType, createdAt, tags, place }),
  },
  rich: {
    version: "rich-1",
    textOf: ({ content, memoryType, importance, metadata }) =>
      withFacts(content, { type: memoryType, importance, ...metadata }),
  },
};

/**
 * A transform by its name, or by the path of a module whose default export is `{ version, textOf }`.
 * @throws {ConfigurationError} There is no such module, or it exports something else.
 */
export async function transformOf(name: string): Promise<Transform> {
  if ((TRANSFORM_NAMES as readonly string[]).includes(name)) return TRANSFORMS[name as TransformName];
  const expected = `expected ${TRANSFORM_NAMES.join(", ")}, or the path of a module that exports { version, textOf } by default`;
  let exported: unknown;
  try {
    exported = ((await import(pathToFileURL(name).href)) as { default?: unknown }).default;
  } catch (cause) {
    throw new ConfigurationError(`transform ${JSON.stringify(name)}: ${(cause as Error).message}; ${expected}`, {
      cause,
    });
  }
  if (isObject(exported) && typeof exported.version === "string" && typeof exported.textOf === "function") {
    return exported as unknown as Transform;
  }
  throw new ConfigurationError(`transform ${JSON.stringify(name)}: ${expected}`);
}

/** What a text is known by: a memory whose text comes out the same is not sent again. */
export function hashOfText({ version }: Transform, text: string): string {
  return createHash("sha256")
    .update(JSON.stringify([version, text]))
    .digest("base64url");
}

function withFacts(content: string, facts: Readonly<Record<string, JsonValue | undefined>>): string {
  const lines = Object.keys(facts)
    .sort()
    .flatMap((name) => linesOf(name, facts[name]));
  return lines.length === 0 ? content : `${content}\n\n${lines.join("\n")}`;
}

/** One line a value, objects by their paths. */
function linesOf(name: string, value: JsonValue | undefined): string[] {
  if (value === undefined || value === null || value === "") return [];
  if (Array.isArray(value)) return value.length === 0 ? [] : [`${name}: ${value.map(printed).join(", ")}`];
  if (!isObject(value)) return [`${name}: ${printed(value)}`];
  return Object.keys(value)
    .sort()
    .flatMap((key) => linesOf(`${name}.${key}`, value[key] as JsonValue));
}

function printed(value: JsonValue): string {
  return typeof value === "string" ? value.replace(/\s+/g, " ") : JSON.stringify(value);
}
