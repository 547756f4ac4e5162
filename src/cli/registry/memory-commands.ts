import type { CommandGroup } from "../command.ts";

/** Reading and writing single memories. */
export const memoryCommands: CommandGroup = {
  heading: "Memories:",
  commands: [
    {
      name: "put",
      usage: "[id]",
      summary: "write one memory, from flags, or from a JSON object on standard input; exits 1 on a version conflict",
      load: async () => (await import("../commands/put.ts")).putCommand,
    },
    {
      name: "patch",
      usage: "<id>",
      summary: "change the named fields of a memory, from flags, or by a JSON merge patch on standard input",
      load: async () => (await import("../commands/patch.ts")).patchCommand,
    },
    {
      name: "get",
      usage: "<id...>",
      summary: "show the current version of a memory, or of several",
      load: async () => (await import("../commands/get.ts")).getCommand,
    },
    {
      name: "list",
      usage: "",
      summary: "list the memories of a namespace, page by page",
      load: async () => (await import("../commands/list.ts")).listCommand,
    },
    {
      name: "count",
      usage: "",
      summary: "count the memories of a namespace",
      load: async () => (await import("../commands/count.ts")).countCommand,
    },
    {
      name: "namespaces",
      usage: "",
      summary: "list the namespaces that have memories",
      load: async () => (await import("../commands/namespaces.ts")).namespacesCommand,
    },
    {
      name: "search",
      usage: "<text>",
      summary: "find the memories nearest to a text",
      load: async () => (await import("../commands/search.ts")).searchCommand,
    },
    {
      name: "delete",
      usage: "<id>",
      summary: "delete a memory in all stores",
      load: async () => (await import("../commands/delete.ts")).deleteCommand,
    },
    {
      name: "erase",
      usage: "[id]",
      summary: "erase memories for good: their content leaves every store, and their ids are suppressed; see --dry-run",
      load: async () => (await import("../commands/erase.ts")).eraseCommand,
    },
    {
      name: "erasures",
      usage: "[id]",
      summary: "list the receipts of erasures, newest first, or show one",
      load: async () => (await import("../commands/erasures.ts")).erasuresCommand,
    },
    {
      name: "revive",
      usage: "<id>",
      summary: "make the id of an erased memory usable again",
      load: async () => (await import("../commands/revive.ts")).reviveCommand,
    },
    {
      name: "history",
      usage: "<id>",
      summary: "show the versions of a memory that are kept, newest first",
      load: async () => (await import("../commands/history.ts")).historyCommand,
    },
    {
      name: "diff",
      usage: "<id> [from] [to]",
      summary: "show how two versions of a memory differ, field by field; the newest two by default",
      load: async () => (await import("../commands/diff.ts")).diffCommand,
    },
    {
      name: "copies",
      usage: "<id>",
      summary: "show what each store holds of a memory now, beside the ledger; exits 1 when one differs",
      load: async () => (await import("../commands/copies.ts")).copiesCommand,
    },
    {
      name: "watch",
      usage: "",
      summary: "print changes of memories as they come, until a signal; the cursor to go on with is on standard error",
      load: async () => (await import("../commands/watch.ts")).watchCommand,
    },
    {
      name: "rollback",
      usage: "<id> <version>",
      summary: "write the content of an older version as a new one; exits 1 when a concurrent write wins",
      load: async () => (await import("../commands/rollback.ts")).rollbackCommand,
    },
  ],
};
