import type { CommandGroup } from "../command.ts";

/** Schema, settings and diagnosis. */
export const setupCommands: CommandGroup = {
  heading: "Setup:",
  commands: [
    {
      name: "setup",
      usage: "",
      summary: "provide the FAISS binding where npm could not install it; in a clone, everything that it needs",
      load: async () => (await import("../commands/setup.ts")).setupCommand,
    },
    {
      name: "migrate",
      usage: "",
      summary: "bring the ledger's schema up to date (the other commands do it too)",
      load: async () => (await import("../commands/migrate.ts")).migrateCommand,
    },
    {
      name: "config",
      usage: "",
      summary: "show every setting with its value and its source; secrets are hidden",
      load: async () => (await import("../commands/config.ts")).configCommand,
    },
    {
      name: "completion",
      usage: "<shell>",
      summary: "print the completion of bash, zsh or fish, for: source <(mnemosync completion bash)",
      actions: ["bash", "zsh", "fish"],
      load: async () => (await import("../commands/completion.ts")).completionCommand,
    },
    {
      name: "doctor",
      usage: "",
      summary:
        "examine versions, servers, permissions, clocks and the index folder; exits 1 with warnings, 2 with failures",
      load: async () => (await import("../commands/doctor.ts")).doctorCommand,
    },
  ],
};
