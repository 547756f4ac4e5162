import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { readSources } from "../../../scripts/check-imports.ts";

const SOURCES = fileURLToPath(new URL("../../../src", import.meta.url));

/** Loaded when the address of the hub is `postgres://`, and only then. */
const ON_DEMAND = "hub/ledger-hub.ts";

test("mnemosync/edge reaches no package of the stores, but for the transport to PostgreSQL, which is loaded on demand", () => {
  const sources = new Map(readSources(SOURCES).map((source) => [source.path, source]));
  const waiting = ["edge/index.ts", "edge/worker/worker-main.ts"];
  const seen = new Set(waiting);
  const packages = new Set<string>();
  const importers: string[] = [];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { local, package: name } of sources.get(path)?.imports ?? []) {
      if (name !== null) packages.add(name);
      if (local === null || seen.has(local)) continue;
      if (local === ON_DEMAND) {
        importers.push(path);
        continue;
      }
      seen.add(local);
      waiting.push(local);
    }
  }
  expect(seen.size).toBeGreaterThan(40);
  expect(importers).toEqual(["edge/transport/postgres-hub.ts"]);
  const importer = readFileSync(`${SOURCES}/edge/transport/postgres-hub.ts`, "utf8");
  expect(importer).toContain('import("../../hub/ledger-hub.ts")');
  expect(importer).not.toMatch(/^(import|export) (?!type ).*ledger-hub\.ts/m);
  expect([...packages].sort()).toEqual(
    ["canonicalize", "pino", "prom-client", "tsx", "ulid", "zod"].filter((name) => packages.has(name)),
  );
  for (const name of ["postgres", "ioredis", "faiss-node", "fastify", "undici"]) expect(packages.has(name)).toBe(false);
});

test("importing it loads no SQLite driver either, before a file is opened", () => {
  const loader = pathToFileURL(
    fileURLToPath(new URL("../../../node_modules/tsx/dist/loader.mjs", import.meta.url)),
  ).href;
  const program = `await import(${JSON.stringify(pathToFileURL(`${SOURCES}/edge/index.ts`).href)});
    const { Module } = await import("node:module");
    console.log(Object.keys(Module._cache).join("\\n"));`;
  const child = spawnSync(process.execPath, ["--import", loader, "--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 200_000,
  });
  expect(child.stderr).toBe("");
  for (const name of ["libsql", "better-sqlite3", "ioredis", "/postgres/", "faiss-node"])
    expect(child.stdout).not.toContain(name);
});
