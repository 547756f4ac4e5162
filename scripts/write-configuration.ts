import { writeFile } from "node:fs/promises";
import { configurationPage } from "./configuration-page.ts";

/** `npm run docs`: writes docs/configuration.md anew. */
await writeFile(new URL("../docs/configuration.md", import.meta.url), configurationPage());
