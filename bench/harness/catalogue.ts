import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./options.ts";
import type { Scenario } from "./scenario.ts";

/** Seconds that a scenario is planned to take, what it sets up and ends included. */
export interface PlannedSeconds {
  readonly quick: number;
  readonly full: number;
}

/**
 * In the order in which a reader wants them; others come behind, by name. The rounds of a scenario are as many as fit in
 * its time: all together take some 200 seconds, and in full some 35 minutes.
 */
export const PLAN: ReadonlyMap<string, PlannedSeconds> = new Map([
  ["bulk-new", { quick: 9, full: 110 }],
  ["bulk-update", { quick: 8, full: 80 }],
  ["changed", { quick: 6, full: 50 }],
  ["unchanged", { quick: 7, full: 60 }],
  ["gathered", { quick: 8, full: 60 }],
  ["single", { quick: 8, full: 60 }],
  ["event-loop", { quick: 6, full: 50 }],
  ["delete", { quick: 6, full: 40 }],
  ["mixed", { quick: 6, full: 50 }],
  ["get", { quick: 8, full: 45 }],
  ["search", { quick: 7, full: 100 }],
  ["hybrid", { quick: 4, full: 30 }],
  ["filter", { quick: 4, full: 35 }],
  ["list", { quick: 4, full: 35 }],
  ["check", { quick: 8, full: 150 }],
  ["repair", { quick: 7, full: 90 }],
  ["redis-lost", { quick: 8, full: 75 }],
  ["backlog", { quick: 8, full: 60 }],
  ["restart", { quick: 7, full: 70 }],
  ["growth", { quick: 7, full: 150 }],
  ["wal", { quick: 6, full: 40 }],
  ["edge", { quick: 15, full: 165 }],
  ["replica", { quick: 6, full: 60 }],
  ["doors", { quick: 4, full: 30 }],
  ["replica-reads", { quick: 5, full: 60 }],
  ["connectors", { quick: 10, full: 44 }],
  ["peers", { quick: 8, full: 190 }],
  ["peer-faults", { quick: 9, full: 60 }],
]);
const UNPLANNED: PlannedSeconds = { quick: 10, full: 60 };
const ORDER = [...PLAN.keys()];

export interface Listed {
  readonly name: string;
  readonly module: string;
  readonly seconds: PlannedSeconds;
}

/** Every scenario: one file each, of its name, found by looking, so that there is no list to keep. */
export async function listScenarios(): Promise<Listed[]> {
  const folder = new URL("../scenarios/", import.meta.url);
  const files = (await readdir(folder)).filter((file) => file.endsWith(".ts"));
  const listed = files.map((file): Listed => {
    const name = basename(file, ".ts");
    return { name, module: fileURLToPath(new URL(file, folder)), seconds: PLAN.get(name) ?? UNPLANNED };
  });
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
export function choose<T extends Pick<Listed, "name">>(all: readonly T[], only: readonly string[]): T[] {
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
