import type { Command } from "commander";
import type { Filter } from "../index.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit.ts";

/** Adds `--where` to a command that works on the memories that pass a filter. */
export function addWhereFlag(command: Command): void {
  command.option("--where <json>", `only memories that pass this filter, e.g. '{"memoryType":{"eq":"episodic"}}'`);
}

/** The filter as an option of the library's calls, which check it. @throws {UsageError} It is no JSON. */
export function whereOf({ flags }: Invocation): { where?: Filter } {
  return typeof flags.where === "string" ? { where: jsonOf(flags.where, "--where") as Filter } : {};
}

/** @throws {UsageError} */
export function jsonOf(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${source} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
