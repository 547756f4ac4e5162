import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** What stands in quotes in the last argument of every call of a log, by file. */
function loggedEvents(): { file: string; event: string }[] {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join(ROOT, "src", file), "utf8");
    const logged = [...text.matchAll(/\blog\??\.(?:debug|info|warn|error)\(/gi)].flatMap((call) => {
      const last = lastArgument(text, call.index + call[0].length);
      return [...last.matchAll(/"([^"]+)"/g)].map(([, event]) => event as string);
    });
    // The FAISS host has no log: its owner writes what it is told.
    const told = [...text.matchAll(/#tell\(\{\s*event: "([^"]+)"/g)].map(([, event]) => event as string);
    return [...logged, ...told].map((event) => ({ file, event }));
  });
}

function lastArgument(text: string, start: number): string {
  let depth = 1;
  let from = start;
  for (let at = start; ; at++) {
    const character = text[at];
    if (character === undefined) throw new Error(`a call that does not end: ${text.slice(start, start + 80)}`);
    if ("({[".includes(character)) depth++;
    else if (")}]".includes(character)) {
      depth--;
      if (depth === 0) return text.slice(from, at);
    } else if (
      character === "," &&
      depth === 1 &&
      text
        .slice(at + 1, at + 80)
        .trim()
        .search(/^\)/) < 0
    )
      from = at + 1;
  }
}

test("every event has a name of the one form, and stands in docs/events.md", () => {
  const documented = [...readFileSync(join(ROOT, "docs", "events.md"), "utf8").matchAll(/`([a-z]+\.[a-z_]+)`/g)].map(
    ([, event]) => event,
  );
  const events = loggedEvents();
  expect(events.length).toBeGreaterThan(40);
  for (const { file, event } of events) expect(event, file).toMatch(/^[a-z]+\.[a-z]+(_[a-z]+)*$/);
  const missing = events
    .filter(({ event }) => !documented.includes(event))
    .map(({ file, event }) => `${event} of ${file}`);
  expect(missing, "describe them in docs/events.md").toEqual([]);
});
