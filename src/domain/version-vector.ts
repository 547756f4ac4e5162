import { ValidationError } from "./errors.ts";
import { setOwn } from "./json.ts";

/**
 * The highest version of a memory, and the highest counter of a version vector: 2^48. One write per microsecond reaches it
 * after nine years. Beyond 2^53 counting by one stands still, so that a version that came in from outside near that number
 * would leave its memory without a next one.
 */
export const VERSION_MAX = 2 ** 48;

/** How many writes of each node a version includes. A node that is absent counts 0. */
export type VersionVector = Readonly<Record<string, number>>;

/** The vector of a memory that `nodeId` wrote once, and no other node. The same object each time: there are many such. */
export function firstVector(nodeId: string): VersionVector {
  if (first?.nodeId !== nodeId) {
    const vector = Object.freeze({ [nodeId]: 1 });
    first = { nodeId, vector, json: JSON.stringify(vector) };
  }
  return first.vector;
}
let first: { readonly nodeId: string; readonly vector: VersionVector; readonly json: string } | undefined;

/** As JSON. */
export function vectorJson(vector: VersionVector): string {
  if (vector === first?.vector) return first.json;
  if (!Object.isFrozen(vector)) return JSON.stringify(vector);
  // Memories that are read together mostly share one.
  if (vector !== spelled?.vector) spelled = { vector, json: JSON.stringify(vector) };
  return spelled.json;
}
let spelled: { readonly vector: VersionVector; readonly json: string } | undefined;

/**
 * The vector after one more write by `nodeId`.
 * @throws {ValidationError} The node's counter is at its highest value.
 */
export function increment(vector: VersionVector, nodeId: string): VersionVector {
  const counter = counterOf(vector, nodeId) + 1;
  if (isCounter(counter)) return { ...vector, [nodeId]: counter };
  throw new ValidationError(
    "versionVector",
    `the counter of node ${JSON.stringify(nodeId)} is at ${VERSION_MAX}, its highest value`,
  );
}

/**
 * The version after `version`.
 * @throws {ValidationError} There is none: the memory is at the highest one, or beyond it.
 */
export function nextVersion(version: number): number {
  if (isVersion(version + 1)) return version + 1;
  throw new ValidationError(
    "version",
    `is ${version}, and the highest version is ${VERSION_MAX}: the memory cannot be written any more. Renumber it ` +
      "(docs/operations.md, Versions beyond the cap)",
  );
}

/** A whole number from 1 to 2^48. */
export function isVersion(value: unknown): value is number {
  return isCounter(value) && value >= 1;
}

/** A whole number from 0 to 2^48. */
export function isCounter(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= VERSION_MAX;
}

/** How `a` stands to `b`: it includes all of b's writes, the other way round, both, or neither. */
export function compareVectors(a: VersionVector, b: VersionVector): "equal" | "after" | "before" | "concurrent" {
  let ahead = false;
  let behind = false;
  for (const node of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = counterOf(a, node) - counterOf(b, node);
    if (difference > 0) ahead = true;
    if (difference < 0) behind = true;
  }
  if (ahead && behind) return "concurrent";
  if (ahead) return "after";
  return behind ? "before" : "equal";
}

/** Own entries only: a node may be called "constructor", which every object inherits. */
function counterOf(vector: VersionVector, nodeId: string): number {
  return Object.hasOwn(vector, nodeId) ? (vector[nodeId] ?? 0) : 0;
}

/** The vector that `text` spells as JSON, frozen; null when it spells none, or one with a counter beyond 2^48. */
export function parseVector(text: string): VersionVector | null {
  if (text === first?.json) return first.vector;
  if (text === parsed?.json) return parsed.vector;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  if (!Object.values(value).every(isCounter)) return null;
  parsed = { json: text, vector: Object.freeze(value as VersionVector) };
  return parsed.vector;
}
/** Memories that are read one after the other mostly have equal vectors. */
let parsed: { readonly json: string; readonly vector: VersionVector } | undefined;

/** The smallest vector that includes all writes of both. */
export function joinVectors(a: VersionVector, b: VersionVector): VersionVector {
  const joined: Record<string, number> = { ...a };
  for (const [node, counter] of Object.entries(b)) setOwn(joined, node, Math.max(counterOf(joined, node), counter));
  return joined;
}
