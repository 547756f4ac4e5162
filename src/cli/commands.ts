import type { CliCommand } from "./command.ts";

/** A command as `--help` lists it. */
export interface CommandEntry {
  readonly name: string;
  /** Its arguments, e.g. `<id>`. */
  readonly usage: string;
  readonly summary: string;
  /** The rest of it, which is loaded when it is called: each brings much along that the others do not need. */
  load(): Promise<CliCommand>;
}

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "demo",
    usage: "",
    summary: "show all of it from nothing: servers, import, search, drift, check, repair; leaves nothing behind",
    load: async () => (await import("./commands/demo.ts")).demoCommand,
  },
  {
    name: "serve",
    usage: "",
    summary: "run the HTTP service and the background loops until SIGTERM or Ctrl-C; a second signal ends it at once",
    load: async () => (await import("./commands/serve.ts")).serveCommand,
  },
  {
    name: "dev",
    usage: "",
    summary:
      "as serve, for trying out: starts the servers that no URL is given for, and makes a key; forgets all at its end",
    load: async () => (await import("./commands/dev.ts")).devCommand,
  },
  {
    name: "key",
    usage: "<id>",
    summary: "make a key for the HTTP service: printed once, with the entry for the keys file that holds its hash",
    load: async () => (await import("./commands/key.ts")).keyCommand,
  },
  {
    name: "import",
    usage: "<file.jsonl>",
    summary: "write the memories of a file, one JSON object a line, or of an export (- for standard input)",
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  {
    name: "export",
    usage: "",
    summary:
      "write all memories to standard output, one JSON record a line, for import to read; notes go to standard error",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  {
    name: "put",
    usage: "[id]",
    summary: "write one memory, from flags, or from a JSON object on standard input; exits 1 on a version conflict",
    load: async () => (await import("./commands/put.ts")).putCommand,
  },
  {
    name: "get",
    usage: "<id>",
    summary: "show the current version of a memory",
    load: async () => (await import("./commands/get.ts")).getCommand,
  },
  {
    name: "search",
    usage: "<text>",
    summary: "find the memories nearest to a text",
    load: async () => (await import("./commands/search.ts")).searchCommand,
  },
  {
    name: "delete",
    usage: "<id>",
    summary: "delete a memory in all stores",
    load: async () => (await import("./commands/delete.ts")).deleteCommand,
  },
  {
    name: "history",
    usage: "<id>",
    summary: "show the versions of a memory that are kept, newest first",
    load: async () => (await import("./commands/history.ts")).historyCommand,
  },
  {
    name: "rollback",
    usage: "<id> <version>",
    summary: "write the content of an older version as a new one; exits 1 when somebody writes at that moment",
    load: async () => (await import("./commands/rollback.ts")).rollbackCommand,
  },
  {
    name: "status",
    usage: "",
    summary: "show how each store is, what it holds, and what is not published yet",
    load: async () => (await import("./commands/status.ts")).statusCommand,
  },
  {
    name: "check",
    usage: "",
    summary: "compare the three stores; exits 1 when something differs, 2 when it could not look",
    load: async () => (await import("./commands/check.ts")).checkCommand,
  },
  {
    name: "repair",
    usage: "",
    summary:
      "publish what is pending, check, then put right what differs, each repair verified by reading back; exits 1 when something is left",
    load: async () => (await import("./commands/repair.ts")).repairCommand,
  },
  {
    name: "conflicts",
    usage: "[action] [id]",
    summary:
      "list what waits for a decision, show both sides (show <id>), decide (resolve <id>); exits 1 while some wait",
    load: async () => (await import("./commands/conflicts.ts")).conflictsCommand,
  },
  {
    name: "queue",
    usage: "[action]",
    summary:
      "list what waits to be published (exits 1 while there are dead letters); retry or drop dead letters; pause, resume",
    load: async () => (await import("./commands/queue.ts")).queueCommand,
  },
  {
    name: "migrate",
    usage: "",
    summary: "bring the ledger's schema up to date (the other commands do it too)",
    load: async () => (await import("./commands/migrate.ts")).migrateCommand,
  },
  {
    name: "config",
    usage: "",
    summary: "show every setting as it counts, and where it comes from; secrets are hidden",
    load: async () => (await import("./commands/config.ts")).configCommand,
  },
  {
    name: "doctor",
    usage: "",
    summary:
      "look at versions, servers, permissions, clocks and the index folder; exits 1 with warnings, 2 with failures",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
  },
];
