import { writeFileSync } from "node:fs";
import { parseOptions } from "../src/config/parse.ts";
import { openApiDocument } from "../src/http/openapi.ts";
import { ROUTE_GROUPS } from "../src/http/routes.ts";
import { packageVersion } from "../src/runtime/package-files.ts";

/** `npm run openapi`: writes docs/openapi.json from the declared routes. A test fails while the file is out of date. */
const { http } = parseOptions({ postgresUrl: "postgres://unused", redisUrl: "redis://unused" });
const document = openApiDocument(ROUTE_GROUPS, packageVersion(), http);
writeFileSync(new URL("../docs/openapi.json", import.meta.url), `${JSON.stringify(document, null, 2)}\n`);
