import { expect, test } from "vitest";
import { openApiDocument } from "../../../src/http/openapi.ts";
import { openApiText } from "../../../src/http/openapi-text.ts";
import { ROUTE_GROUPS } from "../../../src/http/routes.ts";
import { packageVersion } from "../../../src/runtime/package-files.ts";
import { httpOptions } from "../../support/http-service.ts";

/**
 * Goal: the document that a service answers with is that of its routes, though it is read and not built. Method: the two are
 * compared, for each option that decides about a route's access.
 */
test.each([{}, { metricsAuthentication: true }, { metricsAuthentication: false }, { host: "0.0.0.0" }])(
  "the document that is read is the one that the routes declare: %o",
  async (options) => {
    const http = httpOptions(options);
    const read = JSON.parse(await openApiText(http)) as unknown;
    expect(read).toEqual(JSON.parse(JSON.stringify(openApiDocument(ROUTE_GROUPS, packageVersion(), http))));
  },
);
