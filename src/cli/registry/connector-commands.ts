import type { CommandGroup } from "../command.ts";

/** Other services that memories come from or go to. */
export const connectorCommands: CommandGroup = {
  heading: "Other services:",
  commands: [
    {
      name: "memory",
      usage: "[action] [argument...]",
      actions: ["add", "remove", "ping", "sync", "resync", "list", "view", "media", "log"],
      summary:
        "a Memory Space, into a deployment or an edge's file: add, sync what is new, resync everything (both exit 3 where " +
        "a part failed), list, view --today|--week|--month, media <memory> [kind], log of its runs, ping, remove",
      load: async () => (await import("../commands/memory.ts")).memoryCommand,
    },
  ],
};
