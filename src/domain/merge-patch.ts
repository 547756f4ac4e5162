import { getOwn, isJsonObject, type JsonObject, type JsonValue, setOwn } from "./json.ts";

/**
 * `target` changed by a JSON merge patch (RFC 7396): null removes an entry, an object changes an object entry by entry, and
 * any other value takes the place of what was there. Neither argument is changed.
 */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const base: JsonObject = isJsonObject(target) ? target : {};
  const merged: JsonObject = {};
  for (const key of Object.keys(base)) {
    if (getOwn(patch, key) === undefined) setOwn(merged, key, getOwn(base, key) as JsonValue);
  }
  for (const key of Object.keys(patch)) {
    const change = getOwn(patch, key) as JsonValue;
    if (change !== null) setOwn(merged, key, mergePatch(getOwn(base, key), change));
  }
  return merged;
}
