/** Options as they were gathered: some of them, unchecked. */
export type Settings = Record<string, unknown>;

/** Where a setting comes from, the weakest first. */
export const SETTING_SOURCES = ["default", "file", "environment", "flag"] as const;
export type SettingSource = (typeof SETTING_SOURCES)[number];

/** The settings of each source. */
export type SettingLayers = Readonly<Record<SettingSource, Settings>>;

/** The settings of all sources, the stronger ones laid over the weaker; objects are merged key by key. */
export function mergedLayers(layers: SettingLayers): Settings {
  return SETTING_SOURCES.map((source) => layers[source]).reduce(merged, {});
}

/** The source that sets the option at `path`; null: none, so the schema's default counts. */
export function sourceOf(layers: SettingLayers, path: readonly string[]): SettingSource | null {
  return SETTING_SOURCES.findLast((source) => settingAt(layers[source], path) !== undefined) ?? null;
}

export function settingAt(settings: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, part) => (isSettings(value) ? value[part] : undefined), settings);
}

export function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merged(under: Settings, over: Settings): Settings {
  const result: Settings = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = result[name];
    result[name] = isSettings(below) && isSettings(value) ? merged(below, value) : value;
  }
  return result;
}
