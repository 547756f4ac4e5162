import { optionLeaves, parseOptions } from "./parse.ts";
import type { SettingSource } from "./settings.ts";
import { mergedLayers, type SettingLayers, settingAt, sourceOf } from "./settings.ts";

/** One option with its effective value. */
export interface EffectiveSetting {
  /** E.g. `faiss.dimension`. */
  readonly option: string;
  /** Null where it is not set and has no default. A secret is hidden; of an address, only its password is. */
  readonly value: unknown;
  /** `unset`: no source sets it, and it has no default. */
  readonly source: SettingSource | "unset";
  readonly environmentName: string;
  readonly flag: string;
  readonly description: string;
}

/** In place of an address that is not set, so that the other options can be checked without it. */
const PLACEHOLDERS = { postgresUrl: "postgres://not-set", redisUrl: "redis://not-set" };

/**
 * Every option with its effective value and its source. Secrets are hidden; of an address, only its password is.
 * @throws {ConfigurationError} An option is unknown or not valid.
 */
export function effectiveSettings(layers: SettingLayers): EffectiveSetting[] {
  const effective = parseOptions({ ...PLACEHOLDERS, ...mergedLayers(layers) });
  return optionLeaves().map((leaf) => {
    const source = sourceOf(layers, leaf.path);
    const isPlaceholder = source === null && leaf.path.join(".") in PLACEHOLDERS;
    const value = isPlaceholder ? undefined : settingAt(effective, leaf.path);
    return {
      option: leaf.path.join("."),
      value: value === undefined ? null : leaf.shown(value),
      source: value === undefined ? "unset" : (source ?? "default"),
      environmentName: leaf.environmentName,
      flag: leaf.flag,
      description: leaf.description,
    };
  });
}
