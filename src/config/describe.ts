import { type OptionLeaf, optionLeaves, parseOptions } from "./parse.ts";
import type { SettingSource } from "./settings.ts";
import { mergedLayers, type SettingLayers, settingAt, sourceOf } from "./settings.ts";

/** One option with its effective value. */
export interface EffectiveSetting {
  /** E.g. `faiss.dimension`. */
  readonly option: string;
  /** Null where it is not set and has no default. Of a secret what may be shown of it. */
  readonly value: unknown;
  /** `unset`: nobody set it, and there is no default. */
  readonly source: SettingSource | "unset";
  readonly environmentName: string;
  readonly flag: string;
  readonly description: string;
}

const HIDDEN = "(hidden)";

/** Stands for an address that is not set, so that the others can be checked without it. */
const PLACEHOLDERS = { postgresUrl: "postgres://not-set", redisUrl: "redis://not-set" };

/**
 * Every option with its effective value and where that comes from. Secrets are hidden; of an address the password is.
 * @throws {ConfigurationError} One of them is unknown or not valid.
 */
export function effectiveSettings(layers: SettingLayers): EffectiveSetting[] {
  const effective = parseOptions({ ...PLACEHOLDERS, ...mergedLayers(layers) });
  return optionLeaves().map((leaf) => {
    const source = sourceOf(layers, leaf.path);
    const isPlaceholder = source === null && leaf.path.join(".") in PLACEHOLDERS;
    const value = isPlaceholder ? undefined : settingAt(effective, leaf.path);
    return {
      option: leaf.path.join("."),
      value: value === undefined ? null : shown(leaf, value),
      source: value === undefined ? "unset" : (source ?? "default"),
      environmentName: leaf.environmentName,
      flag: leaf.flag,
      description: leaf.description,
    };
  });
}

function shown(leaf: OptionLeaf, value: unknown): unknown {
  if (!leaf.secret) return value;
  if (typeof value !== "string" || !URL.canParse(value)) return HIDDEN;
  const url = new URL(value);
  if (url.host === "") return HIDDEN; // No address: a token that happens to have a colon.
  const user = url.username === "" && url.password === "" ? "" : `${url.username}${url.password && `:${HIDDEN}`}@`;
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === "" ? "" : `?${HIDDEN}`}`;
}
