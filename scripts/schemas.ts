import { writeFile } from "node:fs/promises";
import { DOCUMENTS, schemaText } from "../src/documents/command-documents.ts";

/** `npm run schemas`: writes docs/schemas/ anew. */
for (const name of Object.keys(DOCUMENTS)) {
  await writeFile(new URL(`../docs/schemas/${name}.schema.json`, import.meta.url), schemaText(name));
}
