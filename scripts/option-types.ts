import * as z from "zod";
import { optionsSchema } from "../src/config/options.ts";

/** The type of an option whose schema does not name it. By path. */
const NAMED_TYPES: Readonly<Record<string, string>> = {
  faiss: 'Omit<FaissOptions, "onProgress">',
  stores: "readonly StoreModuleInput[]",
  repairKinds: "readonly DriftKind[]",
  "retention.namespaces": "readonly NamespaceRetention[]",
  "connectors.definitions": "Readonly<Record<string, unknown>>",
};

/** Interfaces of the options below an option. By path. */
const NAMED_GROUPS: Readonly<Record<string, { name: string; about: string }>> = {
  embedding: { name: "EmbeddingOptions", about: "How text becomes vectors." },
  indexes: {
    name: "IndexOptions",
    about: "Indexes of the ledger that not every user needs: each write pays for one that exists.",
  },
  retention: {
    name: "RetentionOptions",
    about: "What is kept of the past, beside `historyVersionsMax`, by time and by namespace.",
  },
  http: { name: "HttpServiceOptions", about: "The HTTP service of `mnemosync serve`. The library does not use them." },
  edge: {
    name: "EdgeSectionOptions",
    about: "The edge, for `mnemosync edge`: an agent's memories in one SQLite file. docs/edge.md explains it.",
  },
  webhooks: { name: "WebhookOptions", about: "Webhooks: how receivers are called. docs/webhooks.md explains them." },
  replica: {
    name: "ReplicaOptions",
    about: "The replica: a second database that is written from the change feed. docs/replica.md explains it.",
  },
  connectors: {
    name: "ConnectorServiceOptions",
    about: "Connectors to other services, on a schedule. docs/connectors.md explains them.",
  },
  mcp: {
    name: "McpOptions",
    about: "MCP: sessions of the service, and limits of every connection. docs/mcp.md explains them.",
  },
  hub: { name: "HubOptions", about: "The hub of edges: what their devices may use. docs/hub.md explains them." },
};

const LINE_MAX = 120;

const MADE =
  "// Made from the settings of each room (src/*/settings.ts) by `npm run docs`: change a description, a bound or a default there.";

/** The interface of the options, with a docstring for each: units, bounds, default. `npm run docs` writes it. */
export function optionTypes(): string {
  const groups = Object.values(NAMED_GROUPS).map(({ name }) => name);
  const about = `/**
 * The settings of a synchronizer. Only \`postgresUrl\` and \`redisUrl\` are required; a field that is \`undefined\` counts as
 * absent.
 */`;
  return `${MADE}
import type { DriftKind } from "../consistency/check/report.ts";
import type { FaissOptions } from "../stores/faiss/options.ts";
import type { StoreModuleInput } from "../stores/settings.ts";
import type {
${groups
  .sort()
  .map((name) => `  ${name},\n`)
  .join("")}} from "./option-groups.ts";

${about}
export interface Options {
${fields(optionsSchema.shape, "")}}
`;
}

/** The interfaces of the groups of options, an option each of `Options`. `npm run docs` writes them. */
export function optionGroups(): string {
  const groups = Object.entries(NAMED_GROUPS).map(([path, { name, about }]) => {
    const group = unwrap(optionsSchema.shape[path as "http"]).inner as z.ZodObject;
    return `/** ${about} */\nexport interface ${name} {\n${fields(group.shape, `${path}.`)}}\n`;
  });
  return `${MADE}
import type { NamespaceRetention } from "../ledger/settings.ts";

${groups.join("\n")}`;
}

function fields(shape: Readonly<Record<string, z.core.$ZodType>>, prefix: string): string {
  return Object.entries(shape)
    .map(([name, schema]) => field(name, `${prefix}${name}`, schema as z.ZodType))
    .join("");
}

function field(name: string, path: string, schema: z.ZodType): string {
  const { inner, description, isOptional, defaultValue } = unwrap(schema);
  const group = NAMED_GROUPS[path];
  const type = NAMED_TYPES[path] ?? group?.name ?? typeText(inner, path);
  const sentence =
    description === "" ? (group?.about ?? "The FAISS index. Absent: no index, and no search.") : `${description}.`;
  const text = `${sentence}${boundsText(inner)}`;
  const defaultText = defaultValue === undefined ? "" : `@default ${valueText(defaultValue)}`;
  return `${docstring(text, defaultText)}  ${name}${isOptional ? "?" : ""}: ${type}${isOptional ? " | undefined" : ""};\n`;
}

/** A type as TypeScript writes it. @throws where the settings use a type for the first time: extend this then. */
function typeText(schema: z.ZodType, path: string): string {
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => JSON.stringify(option)).join(" | ");
  if (schema instanceof z.ZodArray) {
    const element = typeText(schema.element as z.ZodType, path);
    return `readonly ${element.includes(" | ") ? `(${element})` : element}[]`;
  }
  const { type } = schema.def;
  if (type === "string" || type === "number" || type === "boolean") return type;
  throw new Error(`option ${path}: no rule for the type ${type} in scripts/option-types.ts`);
}

function boundsText(schema: z.ZodType): string {
  if (!(schema instanceof z.ZodNumber)) return "";
  const [low, high] = [schema.minValue ?? Number.NEGATIVE_INFINITY, schema.maxValue ?? Number.POSITIVE_INFINITY];
  const hasHigh = high < Number.MAX_SAFE_INTEGER;
  return hasHigh ? ` From ${valueText(low)} to ${valueText(high)}.` : ` At least ${valueText(low)}.`;
}

function valueText(value: unknown): string {
  if (typeof value !== "number") return JSON.stringify(value);
  return Number.isInteger(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, "_") : String(value);
}

function docstring(text: string, defaultText: string): string {
  const oneLine = `  /** ${[text, defaultText].join(" ").trimEnd()} */\n`;
  if (oneLine.length <= LINE_MAX + 1) return oneLine;
  const lines: string[] = [];
  let line = "   *";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > LINE_MAX) {
      lines.push(line);
      line = "   *";
    }
    line += ` ${word}`;
  }
  lines.push(line, ...(defaultText === "" ? [] : [`   * ${defaultText}`]));
  return `  /**\n${lines.join("\n")}\n   */\n`;
}

function unwrap(schema: z.core.$ZodType) {
  let inner = schema as z.ZodType;
  let description = "";
  let isOptional = false;
  let defaultValue: unknown;
  for (;;) {
    description ||= inner.meta()?.description ?? "";
    if (inner instanceof z.ZodDefault) defaultValue = inner.def.defaultValue;
    if (!(inner instanceof z.ZodDefault || inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault)) {
      return { inner, description, isOptional, defaultValue };
    }
    isOptional = true;
    inner = inner.unwrap() as z.ZodType;
  }
}
