import { writeFile } from "node:fs/promises";
import { configurationPage } from "./configuration-page.ts";
import { optionTypes } from "./option-types.ts";

/** `npm run docs`: writes docs/configuration.md and src/config/option-types.ts anew. */
await writeFile(new URL("../docs/configuration.md", import.meta.url), configurationPage());
await writeFile(new URL("../src/config/option-types.ts", import.meta.url), optionTypes());
