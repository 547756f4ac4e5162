import type { Random } from "../support/random.ts";
import { type Operation, resolved, type Schema } from "./document.ts";
import type { KnownIds } from "./known-ids.ts";
import { CONNECTOR, FILTERS, hubChange, textOf, WORDS } from "./texts.ts";

/** Values that fields of some names are picked from, so that requests meet what is there. */
export interface Pools {
  readonly namespaces: readonly string[];
  readonly memoryIds: readonly string[];
  readonly devices: readonly string[];
  readonly known: KnownIds;
  readonly dimension: number;
}

const DEPTH_MAX = 4;

/** A value that fits `schema`, mostly: patterns that no pool knows are left to the mutations. */
export function sampleOf(schema: Schema, name: string, random: Random, pools: Pools, depth = 0): unknown {
  const { enum: values, const: constant, anyOf, oneOf, type, items, properties } = resolved(schema);
  if (constant !== undefined) return constant;
  if (values !== undefined) return random.pick(values);
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return sampleOf(random.pick(choices), name, random, pools, depth);
  const kind = typeof type === "string" ? type : type === undefined ? "any" : random.pick(type);
  switch (kind) {
    case "string":
      return textOf(resolved(schema), name, random, pools);
    case "integer":
    case "number":
      return numberOf(resolved(schema), kind === "integer", random);
    case "boolean":
      return random.next() < 0.5;
    case "null":
      return null;
    case "array": {
      if (name === "embedding" || name === "vector") return vector(random, pools.dimension);
      if (name === "protocolVersions") return [1];
      if (name === "changes") return Array.from({ length: random.below(4) }, () => hubChange(random, pools));
      const length = Math.max(resolved(schema).minItems ?? 0, random.below(4));
      return Array.from({ length }, () => sampleOf(items ?? {}, name, random, pools, depth + 1));
    }
    case "object":
      if (name === "where" && random.next() < 0.8) return random.pick(FILTERS);
      if (name === "from") return CONNECTOR.from;
      return properties === undefined ? anyObject(random, depth) : objectOf(resolved(schema), random, pools, depth);
    default:
      return anyValue(random, depth);
  }
}

function objectOf(schema: Schema, random: Random, pools: Pools, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const isRequired = schema.required?.includes(name) === true;
    if (isRequired || random.next() < 0.35) object[name] = sampleOf(inner, name, random, pools, depth + 1);
  }
  // The schema cannot say that one of the two is given.
  if ("text" in object && "vector" in object) delete object.text;
  return object;
}

function numberOf({ minimum = 0, maximum = 1_000 }: Schema, isWhole: boolean, random: Random): number {
  const most = Math.min(maximum, minimum + 1_000);
  const value = minimum + random.next() * (most - minimum);
  return isWhole ? Math.ceil(value) : Math.round(value * 100) / 100;
}

export function vector(random: Random, dimension: number): number[] {
  return Array.from({ length: dimension }, () => Math.fround(random.next() - 0.5));
}

function anyValue(random: Random, depth: number): unknown {
  const simple = [null, true, 0, 1.5, -1, "text", "é", 1e21];
  if (depth >= DEPTH_MAX || random.next() < 0.6) return random.pick(simple);
  return random.next() < 0.5 ? anyObject(random, depth + 1) : [anyValue(random, depth + 1), random.pick(simple)];
}

function anyObject(random: Random, depth: number): Record<string, unknown> {
  const names = ["source", "tags", "a", "constructor", "é", "0", "nested"].filter(() => random.next() < 0.4);
  return Object.fromEntries(names.map((name) => [name, anyValue(random, depth + 1)]));
}

/** A request, before it is mutated. */
export interface FuzzRequest {
  operation: Operation | null;
  method: string;
  /** Percent-encoded. */
  path: string;
  readonly query: [string, string][];
  readonly headers: Record<string, string>;
  body: string | null;
}

/** A request of `operation` as the document describes it. */
export function requestOf(operation: Operation, random: Random, pools: Pools): FuzzRequest {
  const query: [string, string][] = [];
  // A client of MCP accepts both forms of its answers, or is refused at the door.
  const isMcp = operation.path === "/mcp";
  const headers: Record<string, string> = isMcp ? { accept: "application/json, text/event-stream" } : {};
  let path = operation.path;
  for (const { name, in: place, required, schema } of operation.parameters ?? []) {
    if (place !== "path" && required !== true && random.next() < 0.7) continue;
    const value = String(sampleOf(schema, name, random, pools));
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query") query.push([name, value]);
    else headers[name.toLowerCase()] = value;
  }
  const [mediaType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  let body: string | null = null;
  if (mediaType !== undefined && content !== undefined) {
    headers["content-type"] = mediaType;
    body = mediaType.endsWith("ndjson") ? lines(random, pools) : JSON.stringify(bodyOf(content.schema, random, pools));
  }
  return { operation, method: operation.method, path, query, headers, body };
}

function bodyOf(schema: Schema, random: Random, pools: Pools): unknown {
  const body = sampleOf(schema, "", random, pools) as Record<string, unknown>;
  const needsQuery = "k" in (resolved(schema).properties ?? {}) && !("text" in body) && !("vector" in body);
  return needsQuery ? { ...body, vector: vector(random, pools.dimension) } : body;
}

function lines(random: Random, pools: Pools): string {
  const memory = () => ({
    memoryId: random.pick(pools.memoryIds),
    content: random.pick(WORDS),
    memoryType: "episodic",
    ...(random.next() < 0.5 && { embedding: vector(random, pools.dimension) }),
    ...(random.next() < 0.2 && { namespace: random.pick(pools.namespaces) }),
  });
  return Array.from({ length: 1 + random.below(5) }, () => JSON.stringify(memory())).join("\n");
}
