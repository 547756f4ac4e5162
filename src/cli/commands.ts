import type { CommandEntry, CommandGroup } from "./command.ts";
import { connectorCommands } from "./registry/connector-commands.ts";
import { edgeCommands } from "./registry/edge-commands.ts";
import { memoryCommands } from "./registry/memory-commands.ts";
import { operationCommands } from "./registry/operation-commands.ts";
import { serviceCommands } from "./registry/service-commands.ts";
import { setupCommands } from "./registry/setup-commands.ts";
import { transferCommands } from "./registry/transfer-commands.ts";

/**
 * Every command, in the order of the help. A part of the program adds its group here; a group is a list of names, and each
 * command is loaded when it is called.
 */
export const COMMAND_GROUPS: readonly CommandGroup[] = [
  serviceCommands,
  transferCommands,
  memoryCommands,
  operationCommands,
  edgeCommands,
  connectorCommands,
  setupCommands,
];

export const COMMANDS: readonly CommandEntry[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);
