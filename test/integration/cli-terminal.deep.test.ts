import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";
import { expect, test, vi } from "vitest";
import { openCommandLine } from "../support/command-line.ts";
import { runInTerminal } from "../support/terminal.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: a terminal shows whole lines and colours that mean something; a pipe gets everything and no colours. */

/** The widest line. */
function widthOf(screen: string): number {
  return Math.max(
    ...stripVTControlCharacters(screen)
      .split("\n")
      .map((line) => stringWidth(line)),
  );
}

test("tables are as wide as the terminal at most; nothing is cut when they are piped", async () => {
  const cli = await openCommandLine();
  const content = `${"一二三 words of a long memory ".repeat(12)}END`;
  const id = `a-rather-long-id-of-a-memory-${"x".repeat(40)}`;
  const line = JSON.stringify({ memoryId: id, memoryType: "semantic", content });
  expect(await cli.run(["import", "-"], `${line}\n`)).toMatchObject({ code: 0 });
  await cli.redis.del(`${cli.prefix}:memory:default:${id}`);
  for (const args of [["search", "words"], ["history", id], ["check"], ["status"], ["doctor"], ["config"]]) {
    const piped = await cli.run(args);
    expect(piped.stdout).not.toContain("…");
    expect(piped.stdout).not.toContain("\u001b");
    for (const columns of [80, 200]) {
      const { screen } = await runInTerminal(args, cli.environment, columns);
      // `doctor` gives advice, and `check` its summary, in sentences, which the terminal itself breaks.
      const table = screen
        .split("\n\n")
        .filter((part) => part.includes("\u001b[1m"))
        .join("\n");
      expect({ args, columns, fits: widthOf(table) <= columns, table }).toMatchObject({ fits: true });
      if (args[0] === "search") {
        expect(stripVTControlCharacters(screen)).toContain("…");
        expect(widthOf(screen)).toBeGreaterThan(columns - 5);
        expect(piped.stdout).toContain("END");
      }
    }
  }
});

test("colours are for terminals that have them, and for states: NO_COLOR and pipes get none", async () => {
  const cli = await openCommandLine();
  const status = await runInTerminal(["status"], cli.environment, 120);
  expect(status).toMatchObject({ code: 0, screen: expect.stringContaining("\u001b[32mhealthy\u001b[0m") });
  const plain = await runInTerminal(["status"], { ...cli.environment, NO_COLOR: "1" }, 120);
  expect(plain.screen).toContain("healthy");
  expect(plain.screen).not.toContain("\u001b[3");
  const failed = await runInTerminal(["queue", "explode"], cli.environment, 120);
  expect(failed.code).toBe(2);
  expect(failed.screen).toContain("\u001b[31merror USAGE: ");
  expect(failed.screen.endsWith("\u001b[0m\n")).toBe(true);
  // The colours of a memory's own text stay escaped.
  await cli.run(["put", "m1", "--content", "\u001b[35mowned"]);
  const found = await runInTerminal(["search", "owned"], cli.environment, 120);
  expect(found.screen).toContain("\\u001b[35mowned");
});
