import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { EXIT_CODES } from "../../../src/cli/exit.ts";
import { overviewText } from "../../../src/cli/overview.ts";
import { sentenceLog } from "../../../src/cli/sentence-log.ts";

const page = readFileSync(fileURLToPath(new URL("../../../docs/cli.md", import.meta.url)), "utf8");

test("the overview names every command and fits a screen of 24 lines and 80 columns", () => {
  const text = overviewText();
  const lines = text.split("\n");
  expect(lines.length).toBeLessThanOrEqual(23); // The prompt needs a line.
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  for (const { name } of COMMANDS) expect(text).toMatch(new RegExp(`(^|\\s)${name}(\\s|$)`));
});

test("the documentation has every command, and the exit code of every error", () => {
  for (const { name } of COMMANDS) expect(page).toMatch(new RegExp(`\`${name}[\` ]`));
  const rows = [...page.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \| (\d) \|$/gm)];
  const documented = rows.flatMap(([, codes = "", exit]) =>
    [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => [code, Number(exit)]),
  );
  expect(Object.fromEntries(documented)).toEqual(EXIT_CODES);
});

test("every command with actions says which, for the completion", () => {
  for (const { name, usage, actions } of COMMANDS) {
    expect({ name, hasActions: actions !== undefined }).toEqual({ name, hasActions: /action|shell/.test(usage) });
  }
});

test("a warning is a sentence with its reason; what is for programs stays out", () => {
  const lines: string[] = [];
  const log = sentenceLog((line) => lines.push(line));
  log.info({ a: 1 }, "check.finished");
  log.warn({ error: "connection lost", store: "redis", waitMs: 20 }, "feed.not_listening");
  log.error({ password: "hunter2", reason: new Error("no room") }, "faiss.snapshot_failed");
  log.warn({}, "slow");
  expect(lines).toEqual([
    "warning: feed, not listening: connection lost (store redis, wait ms 20)",
    expect.stringMatching(/^error: faiss, snapshot failed: no room \(password /),
    "warning: slow",
  ]);
  expect(lines.join()).not.toContain("hunter2");
});
