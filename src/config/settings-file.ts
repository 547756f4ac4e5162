import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { ConfigurationError } from "../domain/errors.ts";
import { isSettings, type Settings } from "./settings.ts";

/**
 * Reads the settings of a YAML or JSON file: the library's option names, nested as they are there. Unknown names are
 * found when all settings are checked together.
 * @throws {ConfigurationError} It cannot be read or parsed, names a key twice, has a tag that YAML does not know, or
 * holds no object.
 */
export async function readSettingsFile(path: string): Promise<Settings> {
  let value: unknown;
  try {
    // YAML includes JSON, so one parser serves both; it also finds a key that stands twice.
    const document = parseDocument((await readFile(path, "utf8")).replace(/^\uFEFF/, ""), { stringKeys: true });
    // An unknown tag (!secret) is a warning of the parser, which then reads the value as a plain text.
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const [reason] = (error as Error).message.split(":\n");
    throw new ConfigurationError(`cannot read the settings in ${path}: ${reason}`, { cause: error });
  }
  if (value === null) return {}; // All of it commented out.
  if (isSettings(value)) return value;
  throw new ConfigurationError(
    `the settings in ${path} must be an object, in YAML or JSON, e.g. redisUrl: redis://127.0.0.1:6379`,
  );
}
