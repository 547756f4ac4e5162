/** How many writes of each node a version includes. A node that is absent counts 0. */
export type VersionVector = Readonly<Record<string, number>>;

/** The vector after one more write by `nodeId`. */
export function increment(vector: VersionVector, nodeId: string): VersionVector {
  return { ...vector, [nodeId]: (vector[nodeId] ?? 0) + 1 };
}

/** How `a` stands to `b`: it includes all of b's writes, the other way round, both, or neither. */
export function compareVectors(a: VersionVector, b: VersionVector): "equal" | "after" | "before" | "concurrent" {
  let ahead = false;
  let behind = false;
  for (const node of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = (a[node] ?? 0) - (b[node] ?? 0);
    if (difference > 0) ahead = true;
    if (difference < 0) behind = true;
  }
  if (ahead && behind) return "concurrent";
  if (ahead) return "after";
  return behind ? "before" : "equal";
}

/** The vector that `text` spells as JSON; null when it spells none. */
export function parseVector(text: string): VersionVector | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return Object.values(value).every((counter) => Number.isSafeInteger(counter)) ? (value as VersionVector) : null;
}

/** The smallest vector that includes all writes of both. */
export function joinVectors(a: VersionVector, b: VersionVector): VersionVector {
  const joined: Record<string, number> = { ...a };
  for (const [node, counter] of Object.entries(b)) joined[node] = Math.max(joined[node] ?? 0, counter);
  return joined;
}
