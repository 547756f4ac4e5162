import * as z from "zod";
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from "zod-openapi";
import { MEDIA_TYPE_PROBLEM, problemSchema } from "./problem.ts";
import { refusalsOf, securityOf } from "./refusals.ts";
import {
  type Access,
  accessOf,
  type HttpOptions,
  type ResponseDescription,
  type Route,
  type RouteGroup,
} from "./route.ts";

const DESCRIPTION =
  "Memories of AI agents, kept consistent over PostgreSQL and any number of other stores, by default Redis and FAISS. " +
  "Errors are problem documents (RFC 9457) with a stable `code`. A key is bound to namespaces and has one scope; `admin` " +
  "includes `write`, which includes `read`. Every time is an ISO-8601 text in UTC.";

/**
 * The OpenAPI 3.1 document of `groups`, as a service with these options has them. It builds all schemas of all routes, which
 * takes a third of a second without a turn for others: `npm run openapi` does, and a service reads the file.
 */
export function openApiDocument(groups: readonly RouteGroup[], version: string, http: HttpOptions): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const { tag, routes } of groups) {
    for (const route of routes) {
      paths[route.path] ??= {};
      (paths[route.path] as Record<string, object>)[route.method.toLowerCase()] = operationOf(
        route,
        tag,
        accessOf(route, http),
      );
    }
  }
  const { components, ...document } = createDocument({
    openapi: "3.1.0",
    info: { title: "mnemosync", version, description: DESCRIPTION, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    security: [{ key: [] }],
    tags: groups.flatMap(({ tag: name, description }) => (description === undefined ? [] : [{ name, description }])),
    paths: sorted(paths),
    components: { securitySchemes: { key: { type: "http", scheme: "bearer", description: "mns_<id>_<secret>" } } },
  });
  return { ...document, components: { ...components, schemas: sorted(components?.schemas ?? {}) } };
}

function operationOf(route: Route, tag: string, access: Access): ZodOpenApiOperationObject {
  const {
    operationId,
    summary,
    params,
    query,
    requestHeaders,
    body,
    bodyIsLines,
    bodyMediaType = "application/json",
  } = route;
  const requestParams = {
    ...(params && { path: params() }),
    ...(query && { query: query() }),
    ...(requestHeaders && { header: texts(requestHeaders, true) }),
  };
  const lines = { "application/x-ndjson": { schema: z.string().describe("One memory per line") } };
  const content = bodyIsLines ? lines : body && { [bodyMediaType]: { schema: body() } };
  return {
    operationId,
    summary,
    tags: [tag],
    ...securityOf(access),
    ...(Object.keys(requestParams).length > 0 && { requestParams }),
    ...(content && { requestBody: { required: true, content } }),
    responses: responsesOf(route, access),
  };
}

/** Refusals, then the route's own answers. */
function responsesOf(route: Route, access: Access): ZodOpenApiResponsesObject {
  const all: Record<number, ResponseDescription> = {};
  for (const [status, description] of Object.entries(refusalsOf(route, access))) all[Number(status)] = { description };
  const described = Object.entries({ ...all, ...route.responses }).map(([status, response]) => [
    status,
    responseOf(response, Number(status) >= 400),
  ]);
  return Object.fromEntries(described) as ZodOpenApiResponsesObject;
}

function responseOf({ description, schema, mediaType, headers }: ResponseDescription, isRefusal: boolean) {
  const problem = isRefusal && schema === undefined;
  const type = mediaType ?? (problem ? MEDIA_TYPE_PROBLEM : "application/json");
  const shown = problem ? problemSchema() : schema?.();
  return {
    description,
    ...(headers && { headers: texts(headers, false) }),
    ...(shown && { content: { [type]: { schema: shown } } }),
  };
}

/** Headers by name, each a text. */
function texts(descriptions: Readonly<Record<string, string>>, optional: boolean): z.ZodObject {
  const header = (description: string) =>
    optional ? z.string().optional().describe(description) : z.string().describe(description);
  return z.object(Object.fromEntries(Object.entries(descriptions).map(([name, text]) => [name, header(text)])));
}

function sorted<T>(object: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
