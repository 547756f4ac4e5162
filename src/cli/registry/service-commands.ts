import type { CommandGroup } from "../command.ts";

/** The HTTP service and the trial runs. */
export const serviceCommands: CommandGroup = {
  heading: "Service:",
  commands: [
    {
      name: "demo",
      usage: "",
      summary: "show everything from nothing: servers, import, search, drift, check, repair; removes it all at the end",
      load: async () => (await import("../commands/demo.ts")).demoCommand,
    },
    {
      name: "serve",
      usage: "",
      summary: "run the HTTP service and the background loops until SIGTERM or Ctrl-C; a second signal ends it at once",
      load: async () => (await import("../commands/serve.ts")).serveCommand,
    },
    {
      name: "mcp",
      usage: "",
      summary: "serve one MCP client (an agent) over standard input and output, until it is gone",
      load: async () => (await import("../commands/mcp.ts")).mcpCommand,
    },
    {
      name: "dev",
      usage: "",
      summary: "serve for a trial: start the servers that have no URL, and make a key; removes both at the end",
      load: async () => (await import("../commands/dev.ts")).devCommand,
    },
    {
      name: "key",
      usage: "<action> [id]",
      actions: ["add", "list", "revoke"],
      summary:
        "the keys of the HTTP service, in the file http.keysFile: add <id> prints a new key once; list; revoke <id>",
      load: async () => (await import("../commands/key.ts")).keyCommand,
    },
  ],
};
