import { readFile } from "node:fs/promises";
import { packageFile, packageVersion } from "../runtime/package-files.ts";
import { MEDIA_TYPE_PROBLEM } from "./problem.ts";
import { refusalsOf, securityOf } from "./refusals.ts";
import { accessOf, type HttpOptions, type Route } from "./route.ts";
import { ROUTE_GROUPS } from "./routes.ts";

interface Operation {
  readonly security?: unknown;
  readonly "x-mnemosync-scope"?: unknown;
  readonly responses: Readonly<Record<string, object>>;
}

interface Document {
  readonly info: object;
  readonly paths: Record<string, Record<string, Operation>>;
}

const PROBLEM = { [MEDIA_TYPE_PROBLEM]: { schema: { $ref: "#/components/schemas/Problem" } } };

/**
 * The OpenAPI document as a service with these options has it: docs/openapi.json, with the access of the few routes about which
 * an option decides. Building the document of the routes' schemas would hold up every other caller.
 * @throws {ConfigurationError} The package's files are not beside this module.
 */
export async function openApiText(http: HttpOptions): Promise<string> {
  const document = JSON.parse(await readFile(packageFile("docs", "openapi.json"), "utf8")) as Document;
  for (const route of ROUTE_GROUPS.flatMap(({ routes }) => routes)) {
    if (typeof route.access !== "function") continue;
    const methods = document.paths[route.path] ?? {};
    const method = route.method.toLowerCase();
    const written = methods[method];
    if (written !== undefined) methods[method] = withAccess(written, route, http);
  }
  return JSON.stringify({ ...document, info: { ...document.info, version: packageVersion() } });
}

function withAccess(operation: Operation, route: Route, http: HttpOptions): Operation {
  const access = accessOf(route, http);
  const { security: _security, "x-mnemosync-scope": _scope, responses, ...rest } = operation;
  const own = Object.entries(responses).filter(([status]) => route.responses[Number(status)] !== undefined);
  const refusals = Object.entries(refusalsOf(route, access)).map(([status, description]) => [
    status,
    { description, content: PROBLEM },
  ]);
  return { ...rest, ...securityOf(access), responses: { ...Object.fromEntries(refusals), ...Object.fromEntries(own) } };
}
