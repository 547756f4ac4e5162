import type { Command } from "commander";
import { DEFAULT_NAMESPACE } from "../../index.ts";
import type { Invocation } from "../command.ts";

/** Adds `--namespace` to a command that works in one namespace. */
export function addNamespaceFlag(command: Command, note = ""): void {
  const what = ["the tenant of the memories", note].filter((part) => part !== "").join(", ");
  command.option("--namespace <name>", `${what} (default ${DEFAULT_NAMESPACE})`);
}

/** The namespace of the flag, unchecked; undefined without the flag. */
export function namespaceOf({ flags }: Invocation): string | undefined {
  return typeof flags.namespace === "string" ? flags.namespace : undefined;
}

/** The namespace as an option of the library's calls. */
export function inNamespace(invocation: Invocation): { namespace?: string } {
  const namespace = namespaceOf(invocation);
  return namespace === undefined ? {} : { namespace };
}
