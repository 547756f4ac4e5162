import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { optionLeaves, optionsFromEnvironment, setOption } from "../config/parse.ts";
import { ConfigurationError } from "../errors.ts";
import type { Options } from "../index.ts";
import { UsageError } from "./exit.ts";

/** Options as they were gathered: some of them, unchecked. */
export type Settings = Record<string, unknown>;

/** Where the vector index is unless somebody says otherwise, below the current directory. */
const INDEX_FOLDER = join(".mnemosync", "faiss");

/** What the command line takes for granted where the library takes nothing. */
function commandLineDefaults(): Settings {
  return {
    // Text in and text to search for must work without any set-up.
    embedding: { provider: "hashing" },
    faiss: { directory: INDEX_FOLDER },
  };
}

/** Adds a flag for every option of the library. All of them take a value; `settingsHelp` explains them. */
export function addSettingFlags(program: Command): void {
  for (const leaf of optionLeaves()) program.addOption(new Option(`${leaf.flag} <value>`, leaf.description).hideHelp());
}

/** What `--help` says about the settings: more than fits beside each other. */
export function settingsHelp(): string {
  const defaults = commandLineDefaults();
  const entries = optionLeaves().map((leaf) => {
    const standard = valueAt(defaults, leaf.path) ?? leaf.defaultText;
    const where = standard === INDEX_FOLDER ? " in the current directory" : "";
    const notes = standard === null ? "" : ` (default ${standard}${where})`;
    const warning = leaf.secret ? " (rather set it in the environment: other users can see flags)" : "";
    return `  ${leaf.flag} <value>, ${leaf.environmentName}\n      ${leaf.description}${notes}${warning}`;
  });
  return ["Settings (flags win over the environment, over --config, over the defaults):", ...entries, ""].join("\n");
}

/**
 * Gathers the settings: flags over environment over file over defaults.
 * @param flags as commander parsed them, by attribute name.
 * @throws {UsageError} The file cannot be read, or is no JSON object.
 */
export async function gatherSettings(
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Promise<Settings> {
  const fromFlags: Settings = {};
  for (const leaf of optionLeaves()) {
    const value = flags[new Option(`${leaf.flag} <value>`).attributeName()];
    if (typeof value === "string") setOption(fromFlags, leaf.path, leaf.fromText(value));
  }
  const file = typeof flags.config === "string" ? await readSettingsFile(flags.config) : {};
  return [file, optionsFromEnvironment(environment), fromFlags].reduce(merged, commandLineDefaults());
}

/**
 * The settings as `MemorySynchronizer.connect` takes them, which checks the rest.
 * @throws {ConfigurationError} It is not said where the stores are.
 */
export function connectOptions(settings: Settings): Options {
  const missing = [
    { name: "postgresUrl", what: "PostgreSQL", example: "postgres://user:password@host:5432/database" },
    { name: "redisUrl", what: "Redis", example: "redis://host:6379" },
  ].filter(({ name }) => settings[name] === undefined);
  if (missing.length === 0) return settings as unknown as Options;
  const ways = missing.map(({ name, what, example }) => {
    const leaf = optionLeaves().find(({ path }) => path.join(".") === name);
    return `${what}: set ${leaf?.environmentName} or give ${leaf?.flag} (${example})`;
  });
  throw new ConfigurationError(
    `it is not known where the stores are. ${ways.join("; ")}. \`mnemosync demo\` needs none`,
  );
}

async function readSettingsFile(path: string): Promise<Settings> {
  let parsed: unknown;
  try {
    parsed = JSON.parse((await readFile(path, "utf8")).replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new UsageError(`cannot read the settings in ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (isObject(parsed)) return parsed;
  throw new UsageError(`the settings in ${path} must be a JSON object, e.g. {"redisUrl": "redis://127.0.0.1:6379"}`);
}

/** `over` laid over `under`; objects are merged key by key. */
function merged(under: Settings, over: Settings): Settings {
  const result: Settings = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = result[name];
    result[name] = isObject(below) && isObject(value) ? merged(below, value) : value;
  }
  return result;
}

function valueAt(settings: Settings, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, part) => (isObject(value) ? value[part] : undefined), settings);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
