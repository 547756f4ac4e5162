import { expect, test } from "vitest";
import * as z from "zod";
import { openApiDocument } from "../../../src/http/openapi.ts";
import type { RouteGroup, Service } from "../../../src/http/route.ts";
import { route } from "../../../src/http/route.ts";
import { ROUTE_GROUPS } from "../../../src/http/routes.ts";
import { createServer } from "../../../src/http/server.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { httpOptions } from "../../support/http-service.ts";

/** Goal: a new part of the service is one group of routes. Method: a server with a group that only this test knows. */

const PAGE_POLICY = "default-src 'self'";

const page = route({
  method: "GET",
  path: "/page/{name}",
  operationId: "getPage",
  summary: "A page",
  access: ({ metricsAuthentication }) => (metricsAuthentication ? { scope: "read" } : "public"),
  params: () => z.object({ name: z.string().max(5) }),
  responseHeaders: { "content-security-policy": PAGE_POLICY, "x-page": "yes" },
  responses: { 200: { description: "The page", schema: () => z.string(), mediaType: "text/html" } },
  handle: async ({ params }) => ({
    status: 200,
    text: `<p>${params.name}</p>`,
    headers: { "content-type": "text/html; charset=utf-8" },
  }),
});

const GROUP: RouteGroup = { tag: "pages", description: "Pages of the test", routes: [page] };

function serve(http = httpOptions()) {
  const service = { log: silentLog } as Service;
  return createServer({ http, service, keys: null, groups: [...ROUTE_GROUPS, GROUP] });
}

test("a route sets its own headers in place of the defaults, and refusals keep the defaults", async () => {
  const app = serve();
  const { headers, body } = await app.inject({ url: "/page/one" });
  expect(body).toBe("<p>one</p>");
  expect(headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": PAGE_POLICY,
    "x-page": "yes",
    "x-frame-options": "DENY",
  });
  const refused = await app.inject({ url: "/page/too-long" });
  expect(refused.statusCode).toBe(400);
  expect(refused.headers["content-security-policy"]).toBe("default-src 'none'; frame-ancestors 'none'");
  const other = await app.inject({ url: "/healthz" });
  expect(other.headers["content-security-policy"]).toBe("default-src 'none'; frame-ancestors 'none'");
  await app.close();
});

test("an option decides about a route's access, in the server and in the OpenAPI document", async () => {
  const closed = httpOptions({ metricsAuthentication: true });
  const app = serve(closed);
  const foreign = { host: "elsewhere.example" };
  expect((await app.inject({ url: "/page/one", headers: foreign })).statusCode).toBe(403);
  expect((await app.inject({ url: "/page/one", headers: { host: "localhost" } })).statusCode).toBe(200);
  await app.close();
  const operation = (http: ReturnType<typeof httpOptions>) => {
    const document = openApiDocument([...ROUTE_GROUPS, GROUP], "1.0.0", http) as {
      tags: unknown[];
      paths: Record<string, Record<string, object>>;
    };
    expect(document.tags).toContainEqual({ name: "pages", description: "Pages of the test" });
    return document.paths["/page/{name}"]?.get;
  };
  expect(operation(closed)).toMatchObject({ operationId: "getPage", tags: ["pages"], "x-mnemosync-scope": "read" });
  expect(operation(httpOptions())).toMatchObject({ security: [] });
});

test("every route has an operation id of its own, and every tag is described once", () => {
  const ids = ROUTE_GROUPS.flatMap(({ routes }) => routes.map(({ operationId }) => operationId));
  expect(new Set(ids).size).toBe(ids.length);
  const tags = ROUTE_GROUPS.map(({ tag }) => tag);
  const described = ROUTE_GROUPS.flatMap(({ tag, description }) => (description === undefined ? [] : [tag]));
  expect([...described].sort()).toEqual([...new Set(tags)].sort());
});
