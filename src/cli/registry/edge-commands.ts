import type { CommandEntry, CommandGroup } from "../command.ts";

const edge: Omit<CommandEntry, "name" | "summary"> = {
  usage: "[action] [argument...]",
  actions: ["status", "now", "retry", "queue", "conflicts", "pause", "resume", "resync", "doctor"],
  load: async () => (await import("../commands/edge.ts")).edgeCommand,
};

/** An agent's file, on the machine of the agent. */
export const edgeCommands: CommandGroup = {
  heading: "Edge:",
  commands: [
    {
      ...edge,
      name: "edge",
      summary:
        "an agent's SQLite file and its hub: status (exits 1 with failed changes or open conflicts), now, retry [memory], " +
        "queue, conflicts [resolve <id> local|remote|merge], pause, resume, resync, doctor",
    },
    { ...edge, name: "sync", summary: "the same as edge" },
  ],
};
