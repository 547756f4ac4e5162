import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import type { RunRecord } from "../../src/connectors/index.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(repository, "docs/writing-a-connector.md"), "utf8");

/** The programs of the page by their names. What they import of the package is its sources. */
function programs(): Map<string, string> {
  const found = [...page.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)];
  const ofSources = (code: string) =>
    code.replace(/"mnemosync\/(\w+)"/g, (_, name) =>
      JSON.stringify(pathToFileURL(join(repository, "src", name, "index.ts")).href),
    );
  return new Map(found.map(([, name = "", code = ""]) => [name, ofSources(code)]));
}

async function run(folder: string): Promise<RunRecord> {
  const tsx = join(repository, "node_modules", "tsx", "dist", "esm", "index.mjs");
  const child = spawn(process.execPath, ["--import", tsx, "run.ts"], { cwd: folder });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const [code] = await once(child, "close");
  expect({ code, output }).toMatchObject({ code: 0 });
  return JSON.parse(output) as RunRecord;
}

test("the toy source of the page has 40 lines at most, and imports notes, their edits and their ends", async () => {
  const folder = mkdtempSync(join(tmpdir(), "toy-connector-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  for (const [name, code] of programs()) writeFileSync(join(folder, name), code);
  expect(programs().get("notes-source.ts")?.trim().split("\n").length).toBeLessThanOrEqual(40);
  const notes = join(folder, "notes");
  mkdirSync(notes);
  for (const name of ["a.md", "b.md", "c.md"]) writeFileSync(join(notes, name), `what ${name} says`);
  writeFileSync(join(notes, "picture.png"), "no note");
  expect(await run(folder)).toMatchObject({ state: "succeeded", counts: { read: 3, created: 3 } });
  writeFileSync(join(notes, "a.md"), "edited");
  rmSync(join(notes, "b.md"));
  expect(await run(folder)).toMatchObject({
    state: "succeeded",
    counts: { created: 0, updated: 1, unchanged: 1, deleted: 1 },
  });
}, 240_000);
