import * as z from "zod";
import { packageVersion } from "../../runtime/package-files.ts";
import { acceptsGzip } from "../compression.ts";
import type { ConsoleFile } from "../console-files.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, type RouteGroup, type RouteReply, type RouteRequest, route, type Service } from "../route.ts";

/**
 * The console's pages: files, without a key, since a browser cannot show one when it opens an address. What they show they
 * ask the API for, with the key that the reader typed.
 */

/** Scripts and styles come from here alone, and are files: nothing that a memory holds can become one. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
} as const;

/** The name of an asset holds the hash of its content: it never changes. */
const FOREVER = "public, max-age=31536000, immutable";

const missing = { description: "The console is turned off, or was not built" };

const redirect = page("/console", "openConsole", "To the console", async (_request, service) => {
  await service.console(); // 404 where there is none.
  // Relative: a proxy may have put a prefix before the address.
  return { status: 308, headers: { location: "console/" } };
});

const index = page("/console/", "showConsole", "The console", async (request, service) =>
  fileReply(request, (await service.console()).get("index.html"), "no-cache"),
);

/** What the console must know before its reader has typed a key. */
const settings = page(
  "/console/settings.json",
  "getConsoleSettings",
  "Whether to ask for a key",
  async (_, service) => {
    await service.console();
    const authentication = (await service.keys()) === null ? "none" : "keys";
    return { status: 200, body: { authentication, version: packageVersion() } };
  },
);

const asset = route({
  method: "GET",
  path: "/console/assets/{file}",
  operationId: "getConsoleAsset",
  summary: "A script, a style or a picture of the console",
  access: "public",
  params: () => z.object({ file: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, "expected the name of a file") }),
  responseHeaders: HEADERS,
  responses: { 200: { description: "The file" }, 404: missing },
  handle: async (request, service) =>
    fileReply(request, (await service.console()).get(`assets/${request.params.file}`), FOREVER),
});

type Asked = Pick<RouteRequest<unknown, unknown, unknown>, "headers">;

function page(
  path: string,
  operationId: string,
  summary: string,
  handle: (request: Asked, service: Service) => Promise<RouteReply>,
): Route {
  const responses = { 200: { description: summary }, 404: missing };
  return route({
    method: "GET",
    path,
    operationId,
    summary,
    access: "public",
    responseHeaders: HEADERS,
    responses,
    handle,
  });
}

function fileReply({ headers }: Asked, file: ConsoleFile | undefined, caching: string): RouteReply {
  if (file === undefined) throw new HttpProblem(404, "ROUTE_NOT_FOUND", "the console has no such file");
  const isPacked = acceptsGzip(String(headers["accept-encoding"] ?? ""));
  const body = isPacked ? file.gzip : file.plain;
  return {
    status: 200,
    headers: { "cache-control": caching },
    stream: (response) => {
      response.writeHead(200, {
        "content-type": file.type,
        "content-length": body.length,
        vary: "accept-encoding",
        ...(isPacked && { "content-encoding": "gzip" }),
      });
      response.end(response.req.method === "HEAD" ? undefined : body);
    },
  };
}

/** For people: no part of the API, nor of its document. */
export const consoleGroup: RouteGroup = { tag: "console", routes: [redirect, index, settings, asset] };
