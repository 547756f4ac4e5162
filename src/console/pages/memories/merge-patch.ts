type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/**
 * The merge patch (RFC 7396) that makes `after` of `before`.
 * @throws {RangeError} `after` sets an entry to null, which a merge patch can only remove. The message names the entry.
 */
export function mergePatch(before: JsonObject, after: JsonObject, path = ""): Record<string, Json> {
  const patch: Record<string, Json> = {};
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const place = path === "" ? name : `${path}.${name}`;
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (JSON.stringify(old) === JSON.stringify(value)) continue;
    if (value === null) throw new RangeError(`${place} cannot be set to null: remove the entry instead`);
    if (isObject(value)) patch[name] = mergePatch(isObject(old) ? old : {}, value, place);
    else patch[name] = value;
  }
  return patch;
}

export function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
