import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { CONFIG_VARIABLE, checkEnvironment } from "../config/environment.ts";
import { optionLeaves, optionsFromEnvironment, setOption } from "../config/parse.ts";
import { mergedLayers, type SettingLayers, type Settings, settingAt, sourceOf } from "../config/settings.ts";
import { ConfigurationError } from "../domain/errors.ts";
import type { Options } from "../index.ts";
import { wrapped } from "./terminal.ts";

/** The default folder of the FAISS index, below the current directory. */
const INDEX_FOLDER = join(".mnemosync", "faiss");

/** The option that names the folder of the FAISS index. */
const INDEX_OPTION = ["faiss", "directory"];

/** Defaults of the command line where the library has none. */
function commandLineDefaults(): Settings {
  return {
    // Text must be searchable without any set-up.
    embedding: { provider: "hashing" },
    // Absolute, so that `config`, `status` and messages say which folder it is.
    faiss: { directory: resolve(INDEX_FOLDER) },
  };
}

/** Adds a flag for every option of the library. All of them take a value; `settingsHelp` explains them. */
export function addSettingFlags(program: Command): void {
  for (const leaf of optionLeaves()) program.addOption(new Option(`${leaf.flag} <value>`, leaf.description).hideHelp());
}

/** The settings for `--help`: too many and too long for commander's columns. */
export function settingsHelp(): string {
  const defaults = commandLineDefaults();
  const entries = optionLeaves().map((leaf) => {
    const isIndexFolder = leaf.path.join(".") === INDEX_OPTION.join(".");
    const standard = isIndexFolder
      ? `${INDEX_FOLDER} in the current directory`
      : (settingAt(defaults, leaf.path) ?? leaf.defaultText);
    const notes = standard === null ? "" : ` (default ${standard})`;
    const warning = leaf.secret ? " (set it in the environment: other users can see flags)" : "";
    const explained = wrapped(`${leaf.description}${notes}${warning}`, "      ");
    return `${wrapped(`${leaf.flag} <value>, ${leaf.environmentName}`, "  ")}\n${explained}`;
  });
  return ["Settings (flags win over the environment, over --config, over the defaults):", ...entries, ""].join("\n");
}

/**
 * Gathers the settings of every source: flags, environment, file, defaults.
 * @param flags as commander parsed them, by attribute name.
 * @throws {ConfigurationError} The file cannot be read, or a variable of ours is unknown.
 */
export async function gatherLayers(
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Promise<SettingLayers> {
  const flag: Settings = {};
  for (const leaf of optionLeaves()) {
    const value = flags[new Option(`${leaf.flag} <value>`).attributeName()];
    if (typeof value === "string") setOption(flag, leaf.path, leaf.fromText(value));
  }
  checkEnvironment(environment);
  const path = typeof flags.config === "string" ? flags.config : environment[CONFIG_VARIABLE];
  // Loaded only here, with its parser: most starts have no such file.
  const file = path ? await (await import("../config/settings-file.ts")).readSettingsFile(path) : {};
  return { default: commandLineDefaults(), file, environment: optionsFromEnvironment(environment), flag };
}

/** The merged settings of all sources, unchecked: flags win over environment, over file, over defaults. */
export async function gatherSettings(
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Promise<Settings> {
  return mergedLayers(await gatherLayers(flags, environment));
}

/** Whether no source names the folder of the FAISS index, so that it depends on the current directory. */
export function isDefaultIndexFolder(layers: SettingLayers): boolean {
  return sourceOf(layers, INDEX_OPTION) === "default";
}

/**
 * The settings as `MemorySynchronizer.connect` takes them, which checks the rest.
 * @throws {ConfigurationError} The address of PostgreSQL or of Redis is missing.
 */
export function connectOptions(settings: Settings): Options {
  const missing = [
    { name: "postgresUrl", what: "PostgreSQL", example: "postgres://user:password@host:5432/database" },
    { name: "redisUrl", what: "Redis", example: "redis://host:6379; none: without Redis" },
  ].filter(({ name }) => settings[name] === undefined);
  if (missing.length === 0) return settings as unknown as Options;
  const ways = missing.map(({ name, what, example }) => {
    const leaf = optionLeaves().find(({ path }) => path.join(".") === name);
    return `${what}: set ${leaf?.environmentName} or give ${leaf?.flag} (${example})`;
  });
  throw new ConfigurationError(
    `the addresses of the stores are missing. ${ways.join("; ")}. \`mnemosync demo\` needs none`,
  );
}
