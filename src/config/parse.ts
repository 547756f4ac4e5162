import * as z from "zod";
import { ConfigurationError } from "../domain/errors.ts";
import { lazily } from "../domain/lazily.ts";
import { nearestName } from "../domain/nearest-name.ts";
import { ONCE } from "../domain/settings.ts";
import { NO_INDEX } from "../stores/faiss/settings.ts";
import { type EffectiveOptions, optionsSchema } from "./options.ts";
import { hasSecrets, shownValue } from "./secrets.ts";

/** One option that can be set from outside. */
export interface OptionLeaf {
  /** E.g. `["faiss", "dimension"]`. */
  readonly path: readonly string[];
  /** E.g. `MNEMOSYNC_FAISS_DIMENSION`. */
  readonly environmentName: string;
  /** E.g. `--faiss-dimension`. */
  readonly flag: string;
  readonly description: string;
  readonly defaultText: string | null;
  /** Its value, or a part of it, is never printed. */
  readonly secret: boolean;
  /** `value` as it may be printed. */
  shown(value: unknown): unknown;
  /** Turns a text of the environment or a flag into the option's type. The text itself where it does not fit. */
  fromText(text: string): unknown;
}

/**
 * Checks options and fills in the defaults. `faiss` is absent where its directory is `none`.
 * @throws {ConfigurationError} naming the option, the found and the expected value.
 */
export function parseOptions(input: unknown): EffectiveOptions {
  const parsed = optionsSchema.safeParse(input, ONCE);
  if (parsed.success) {
    const { faiss, ...others } = parsed.data;
    return faiss === undefined || faiss.directory === NO_INDEX ? others : { ...others, faiss };
  }
  const issue = parsed.error.issues[0];
  const path = issue?.path.map(String) ?? [];
  if (issue?.code === "unrecognized_keys") {
    const name = [...path, issue.keys[0]].join(".");
    const nearest = nearestName(
      name,
      optionLeaves().map((leaf) => leaf.path.join(".")),
    );
    const hint = nearest === null ? "mnemosync config lists the options" : `did you mean ${nearest}?`;
    throw new ConfigurationError(`unknown option ${name}; ${hint}`, { cause: parsed.error });
  }
  // An entry of a list has a path of its own below the option's.
  const leaf = optionLeaves().find((candidate) => candidate.path.every((part, index) => part === path[index]));
  const where = leaf === undefined ? path.join(".") : `${path.join(".")} (${leaf.environmentName}, ${leaf.flag})`;
  const found = leaf?.secret ? "" : foundAt(input, path);
  throw new ConfigurationError(`option ${where}: ${issue?.message ?? "is not valid"}${found}`, { cause: parsed.error });
}

/** The value found at `path`, for the message. */
function foundAt(input: unknown, path: readonly string[]): string {
  let value = input;
  for (const part of path) value = (value as Record<string, unknown> | null | undefined)?.[part];
  return value === undefined ? "; nothing was given" : `; found ${JSON.stringify(value)}`;
}

/** All options, in the order of their declaration. */
export const optionLeaves = lazily((): readonly OptionLeaf[] => leavesOf(optionsSchema, []));

/** The options that the environment sets, unchecked. */
export function optionsFromEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const leaf of optionLeaves()) {
    const text = environment[leaf.environmentName];
    if (text !== undefined && text !== "") setOption(options, leaf.path, leaf.fromText(text));
  }
  return options;
}

/** Sets a value at a path, making the objects on the way. */
export function setOption(options: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) options[first] = value;
  else {
    options[first] ??= {};
    setOption(options[first] as Record<string, unknown>, rest, value);
  }
}

function leavesOf(schema: z.ZodObject, path: readonly string[]): OptionLeaf[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const fieldPath = [...path, name];
    const { inner, description, defaultValue, secret } = unwrap(field as z.ZodType);
    if (inner instanceof z.ZodObject) return leavesOf(inner, fieldPath);
    const words = fieldPath.map((part) => part.replace(/[A-Z]/g, (capital) => `_${capital}`).toLowerCase()).join("_");
    return {
      path: fieldPath,
      environmentName: `MNEMOSYNC_${words.toUpperCase()}`,
      flag: `--${words.replaceAll("_", "-")}`,
      description,
      defaultText: defaultValue === undefined || String(defaultValue) === "" ? null : String(defaultValue),
      secret: secret || hasSecrets(inner),
      shown: (value: unknown) => shownValue(inner, value, secret),
      fromText: (text: string) => fromText(inner, text),
    };
  });
}

/** The type inside of optional, default and prefault wrappers, with their description, default and secrecy. */
function unwrap(schema: z.ZodType): { inner: z.ZodType; description: string; defaultValue: unknown; secret: boolean } {
  let inner = schema;
  let description = "";
  let defaultValue: unknown;
  let secret = false;
  for (;;) {
    const meta = inner.meta();
    description ||= meta?.description ?? "";
    secret ||= meta?.secret === true;
    if (inner instanceof z.ZodDefault) defaultValue = inner.def.defaultValue;
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault) {
      inner = inner.unwrap() as z.ZodType;
    } else {
      return { inner, description, defaultValue, secret };
    }
  }
}

function fromText(schema: z.ZodType, text: string): unknown {
  if (schema instanceof z.ZodNumber) return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  if (schema instanceof z.ZodBoolean)
    return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  if (schema instanceof z.ZodRecord) return jsonOf(text);
  if (!(schema instanceof z.ZodArray)) return text;
  if (text.trimStart().startsWith("[")) return jsonOf(text);
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  if (!(schema.element instanceof z.ZodObject)) return items;
  // A text can set one field of an object: the first, which names it.
  const [name = ""] = Object.keys(schema.element.shape);
  return items.map((item) => ({ [name]: item }));
}

/** The text itself where it is no JSON: the check of the options then refuses it by name. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
