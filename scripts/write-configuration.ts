import { writeFile } from "node:fs/promises";
import { configurationPage } from "./configuration-page.ts";
import { optionGroups, optionTypes } from "./option-types.ts";

/** `npm run docs`: writes docs/configuration.md, src/config/option-types.ts and src/config/option-groups.ts anew. */
await writeFile(new URL("../docs/configuration.md", import.meta.url), configurationPage());
await writeFile(new URL("../src/config/option-types.ts", import.meta.url), optionTypes());
await writeFile(new URL("../src/config/option-groups.ts", import.meta.url), optionGroups());
