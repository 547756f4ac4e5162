import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT_CODES } from "../../src/cli/exit.ts";
import { INTERRUPTED } from "../../src/jobs/job.ts";
import { REPOSITORY } from "../support/program.ts";

/** Goal: what the pages say about each other and about the code's names holds. Method: the pages are read as text. */

const PAGES = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: REPOSITORY,
})
  .toString()
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(REPOSITORY, path)));

const pageText = (path: string): string => readFileSync(join(REPOSITORY, path), "utf8");

/** A page without its code, in which brackets mean something else. */
function prose(path: string): string {
  return pageText(path)
    .replace(/^( *)```[\s\S]*?^\1```/gm, "")
    .replace(/`[^`\n]*`/g, "");
}

/** The anchors of a page, as GitHub makes them of its headings: the second of a name ends in -1. */
function anchorsOf(path: string): Set<string> {
  const seen = new Map<string, number>();
  const text = pageText(path).replace(/^( *)```[\s\S]*?^\1```/gm, "");
  const anchors = [...text.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
  return new Set(anchors);
}

/** The links of a page that lead nowhere. */
function brokenLinks(page: string): string[] {
  const targets = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false; // Another site: no test asks the network.
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? page : relative(REPOSITORY, join(REPOSITORY, dirname(page), path));
    if (!existsSync(join(REPOSITORY, file))) return true;
    if (anchor === undefined) return false;
    return statSync(join(REPOSITORY, file)).isDirectory() || !anchorsOf(file).has(anchor);
  });
}

describe("links between pages", () => {
  test("are found in the pages, and their anchors as GitHub makes them", () => {
    expect(PAGES).toEqual(
      expect.arrayContaining(["README.md", "CONTRIBUTING.md", "docs/cli.md", "examples/README.md"]),
    );
    expect(anchorsOf("docs/operations.md")).toContain("postgresql-went-back");
    expect(anchorsOf("docs/events.md")).toContain("notices-to-a-program");
  });

  test.each(PAGES)("of %s lead to files and headings that exist", (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });

  test("every page of docs/ can be reached from the README", () => {
    const reached = new Set(["README.md"]);
    for (const page of reached) {
      for (const [, target = ""] of prose(page).matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)) {
        const path = relative(REPOSITORY, join(REPOSITORY, dirname(page), target));
        if (PAGES.includes(path)) reached.add(path);
      }
    }
    expect(PAGES.filter((page) => page.startsWith("docs/") && !reached.has(page))).toEqual([]);
  });
});

describe("docs/troubleshooting.md", () => {
  /** Codes that HTTP adds are types alone: their declaration is read. */
  function httpCodes(): string[] {
    const source = readFileSync(join(REPOSITORY, "src", "http", "problem.ts"), "utf8");
    const [, union = ""] = /export type HttpErrorCode =([^;]*);/.exec(source) ?? [];
    return [...union.matchAll(/"([A-Z_]+)"/g)].map(([, code = ""]) => code);
  }

  const sections = new Map(
    pageText("docs/troubleshooting.md")
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );

  test("has one section for each public error code, and for nothing else", () => {
    const http = httpCodes();
    expect(http).toContain("RATE_LIMITED");
    const codes = new Set([...Object.keys(EXIT_CODES), ...http, INTERRUPTED, "INVALID_JSON"]);
    expect([...sections.keys()].sort()).toEqual([...codes].sort());
  });

  test.each([...sections])("says of %s what was found and what to do", (_code, section) => {
    expect(section).toMatch(/\*Found:\*\s\S/);
    expect(section).toMatch(/\*Do:\*\s\S/);
  });
});
