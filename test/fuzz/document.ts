import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** `docs/openapi.json` as the fuzzer reads it: requests are made from it, and answers are held to it. */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Content {
  readonly schema: Schema;
}

interface Described {
  readonly content?: Readonly<Record<string, Content>>;
}

export interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, Described>>;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Omit<Operation, "path" | "method">>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const FILE = new URL("../../docs/openapi.json", import.meta.url);

export const openApi = JSON.parse(readFileSync(FILE, "utf8")) as OpenApi;

export const operations: readonly Operation[] = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
);

/** The schema itself, or the component that it refers to. */
export function resolved(schema: Schema): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : resolved(openApi.components.schemas[name] as Schema);
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "openapi", ...openApi });
const validators = new Map<Schema, ValidateFunction>();

function validator(schema: Schema): ValidateFunction {
  let made = validators.get(schema);
  if (made === undefined) {
    made = ajv.compile(
      JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')) as object,
    );
    validators.set(schema, made);
  }
  return made;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Whether the stream was left before its end, as one of events is. */
  readonly cut: boolean;
  /** The MCP session that a header names; undefined: none does. */
  readonly session?: string | undefined;
}

const PROBLEM = resolved({ $ref: "#/components/schemas/Problem" });

/** The flaw of an answer to `operation` (null: the request is none of the document's operations); null where there is none. */
export function answerFlaw(operation: Operation | null, { status, type, body, cut }: Answer): string | null {
  const mediaType = type.split(";")[0]?.trim() ?? "";
  const isProblem = mediaType === "application/problem+json";
  const document = /[/+]json$/.test(mediaType) && !cut && body !== "" ? parsed(body) : undefined;
  if (document instanceof Error) return `a body that is no JSON: ${document.message}`;
  if (status >= 400 && isProblem) {
    const isValid = validator(PROBLEM);
    if (!isValid(document)) return `a problem document with ${ajv.errorsText(isValid.errors)}`;
    const { code, status: told } = document as { code: string; status: number };
    if (told !== status) return `a problem document that says ${told}`;
    // A mutated path or method may be no route.
    if (code === "ROUTE_NOT_FOUND" && status === 404) return null;
  }
  if (operation === null) return status >= 400 && !isProblem ? `the media type ${type}` : null;
  const described = operation.responses[String(status)];
  if (described === undefined) return "an undocumented status";
  const contents = Object.entries(described.content ?? {});
  if (contents.length === 0) return body === "" ? null : "a body where the document has none";
  const content =
    contents.find(([name]) => name === mediaType || name === "*/*")?.[1] ??
    (isProblem ? { schema: PROBLEM } : undefined);
  if (content === undefined) return `the media type ${type}`;
  if (document === undefined) return null;
  const isValid = validator(content.schema);
  return isValid(document) ? null : `a body with ${ajv.errorsText(isValid.errors)}`;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    return error;
  }
}
