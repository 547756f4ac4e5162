import type { CommandGroup } from "../command.ts";

/** Export and import. */
export const transferCommands: CommandGroup = {
  heading: "Import and export:",
  commands: [
    {
      name: "import",
      usage: "<file.jsonl>",
      summary: "write the memories of a file, one JSON object per line, or of an export (- for standard input)",
      load: async () => (await import("../commands/import.ts")).importCommand,
    },
    {
      name: "export",
      usage: "",
      summary:
        "write all memories to standard output, one JSON record per line, for import; notes go to standard error",
      load: async () => (await import("../commands/export.ts")).exportCommand,
    },
  ],
};
