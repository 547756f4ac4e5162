import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./options.ts";
import type { Scenario } from "./scenario.ts";

/** In the order in which a reader wants them; others come behind, by name. */
const ORDER = [
  "bulk-new",
  "bulk-update",
  "unchanged",
  "gathered",
  "single",
  "delete",
  "mixed",
  "get",
  "search",
  "check",
  "repair",
  "redis-lost",
  "backlog",
  "restart",
  "growth",
  "wal",
];

export interface Listed {
  readonly name: string;
  readonly module: string;
}

/** Every scenario: one file each, of its name, found by looking, so that there is no list to keep. */
export async function listScenarios(): Promise<Listed[]> {
  const folder = new URL("../scenarios/", import.meta.url);
  const files = (await readdir(folder)).filter((file) => file.endsWith(".ts"));
  const listed = files.map((file) => ({ name: basename(file, ".ts"), module: fileURLToPath(new URL(file, folder)) }));
  return listed.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/** The one scenario that a module exports, under whatever identifier. @throws when it is not of the file's name. */
export async function loadScenario(module: string): Promise<Scenario> {
  const exported: unknown[] = Object.values((await import(module)) as object);
  const [scenario, ...others] = exported.filter(isScenario);
  if (scenario === undefined || others.length > 0 || scenario.name !== basename(module, ".ts")) {
    throw new Error(`${basename(module)} is to export one scenario, of the file's name`);
  }
  return scenario;
}

/** @throws {UsageError} A name that is none. */
export function choose(all: readonly Listed[], only: readonly string[]): Listed[] {
  const unknown = only.find((name) => !all.some((listed) => listed.name === name));
  if (unknown !== undefined) throw new UsageError(`there is no scenario ${unknown}: see --list`);
  return all.filter(({ name }) => only.length === 0 || only.includes(name));
}

function isScenario(value: unknown): value is Scenario {
  return typeof value === "object" && value !== null && "name" in value && "run" in value;
}

function rank(name: string): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}
