import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { configurationPage } from "../../../scripts/configuration-page.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

test("docs/configuration.md is what the options declare (npm run docs makes it)", () => {
  expect(readFileSync(join(ROOT, "docs", "configuration.md"), "utf8")).toBe(configurationPage());
});

const pages = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

test.each(pages)("links of %s lead to files that are there", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8");
  for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
    expect(existsSync(join(ROOT, dirname(page), target)), `${page} links to ${target}`).toBe(true);
  }
});
