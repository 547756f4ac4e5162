import { readFileSync, writeFileSync } from "node:fs";
import { openApiDocument } from "../src/http/openapi.ts";

/** Writes docs/openapi.json from the routes as they are declared. A test fails while it is out of date. */
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const file = new URL("../docs/openapi.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(version), null, 2)}\n`);
