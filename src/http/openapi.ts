import { z } from "zod";
import { MEDIA_TYPE_PROBLEM, problemSchema } from "./problem.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";

type Json = Record<string, unknown>;

/** What any request may meet, whatever its route. */
const COMMON_PROBLEMS: Readonly<Record<number, string>> = {
  400: "The request could not be understood",
  429: "Too many requests: Retry-After says how many seconds to wait",
  503: "A store is away, or the service starts or stops: try again",
};

const DESCRIPTION =
  "Memories of AI agents, kept consistent over PostgreSQL, Redis and FAISS. Errors are problem documents (RFC 9457) " +
  "with a stable `code`. A key is bound to namespaces and has one scope; `admin` includes `write`, which includes `read`.";

/** The OpenAPI 3.1 document of `ROUTES`. */
export function openApiDocument(version: string): Json {
  const components: Record<string, Json> = {};
  const paths: Record<string, Record<string, Json>> = {};
  const problem = schemaOf(problemSchema, "output", components);
  for (const route of ROUTES) {
    paths[route.path] ??= {};
    (paths[route.path] as Record<string, Json>)[route.method.toLowerCase()] = operationOf(route, problem, components);
  }
  paths["/metrics"] = { get: textOperation("getMetrics", "Metrics in Prometheus' text format", "text/plain") };
  paths["/openapi.json"] = { get: textOperation("getOpenApi", "This document", "application/json") };
  return {
    openapi: "3.1.0",
    info: { title: "mnemosync", version, description: DESCRIPTION, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    security: [{ key: [] }],
    paths: sorted(paths),
    components: {
      schemas: sorted(components),
      securitySchemes: { key: { type: "http", scheme: "bearer", description: "mns_<id>_<secret>" } },
    },
  };
}

function operationOf(route: Route, problem: Json, components: Record<string, Json>): Json {
  const { operationId, summary, tag, access, params, query, headers = {}, body, bodyIsLines } = route;
  const isPublic = access === "public";
  const parameters = [
    ...parametersOf(params, "path", components),
    ...parametersOf(query, "query", components),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: "header",
      required: false,
      description,
      schema: { type: "string" },
    })),
  ];
  const content = bodyIsLines
    ? { "application/x-ndjson": { schema: { type: "string", description: "One memory a line" } } }
    : body && { "application/json": { schema: schemaOf(body, "input", components) } };
  return {
    operationId,
    summary,
    tags: [tag],
    ...(isPublic ? { security: [] } : { "x-mnemosync-scope": access.scope }),
    ...(parameters.length > 0 && { parameters }),
    ...(content && { requestBody: { required: true, content } }),
    responses: responsesOf(route, problem, components),
  };
}

function responsesOf(route: Route, problem: Json, components: Record<string, Json>): Json {
  const responses: Record<number, Json> = {};
  const refusal = (description: string): Json => ({
    description,
    content: { [MEDIA_TYPE_PROBLEM]: { schema: problem } },
  });
  if (route.access !== "public") {
    for (const [status, description] of Object.entries(COMMON_PROBLEMS))
      responses[Number(status)] = refusal(description);
    responses[401] = refusal("No key, or not one that is known");
    responses[403] = refusal("The key lacks the scope, or is not bound to the namespace");
    responses[504] = refusal("Time was up; a write may still go through");
    if (route.params !== undefined || route.body !== undefined || route.query !== undefined) {
      responses[422] = refusal("A field breaks a rule; `path` names it");
    }
    if (route.body !== undefined || route.bodyIsLines) {
      responses[413] = refusal("The body is larger than is taken");
      responses[415] = refusal("The body is of another type than is taken");
    }
  }
  for (const [status, { description, schema, mediaType, headers }] of Object.entries(route.responses)) {
    if (Number(status) >= 400 && schema === undefined) {
      responses[Number(status)] = refusal(description);
      continue;
    }
    responses[Number(status)] = {
      description,
      ...(headers && {
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: "string" } }]),
        ),
      }),
      ...(schema && {
        content: { [mediaType ?? "application/json"]: { schema: schemaOf(schema, "output", components) } },
      }),
    };
  }
  return responses;
}

function parametersOf(
  object: z.ZodObject | undefined,
  place: "path" | "query",
  components: Record<string, Json>,
): Json[] {
  return Object.entries(object?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field as z.ZodType, "input", components);
    const required = place === "path" || !(field as z.ZodType).safeParse(undefined).success;
    return { name, in: place, required, ...(description !== undefined && { description }), schema };
  });
}

function textOperation(operationId: string, summary: string, mediaType: string): Json {
  const schema = mediaType === "application/json" ? { type: "object" } : { type: "string" };
  return {
    operationId,
    summary,
    tags: ["operation"],
    security: [],
    responses: { 200: { description: summary, content: { [mediaType]: { schema } } } },
  };
}

/** JSON Schema of `schema`; what has an id of its own goes to the components. */
function schemaOf(schema: z.ZodType, io: "input" | "output", components: Record<string, Json>): Json {
  const { $schema: _, $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  for (const [name, definition] of Object.entries($defs as Record<string, Json>))
    components[name] = cleaned(definition);
  const own = cleaned(root);
  if (typeof root.id !== "string") return own;
  components[root.id] = own;
  return { $ref: `#/components/schemas/${root.id}` };
}

/** References lead to the components, and ids are theirs. */
function cleaned(value: unknown): Json {
  const text = JSON.stringify(value, (key, item: unknown) =>
    key === "id" && typeof item === "string" ? undefined : item,
  );
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}

function sorted<T>(object: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
