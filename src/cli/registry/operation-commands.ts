import type { CommandGroup } from "../command.ts";

/** Status, consistency and the backlog. */
export const operationCommands: CommandGroup = {
  heading: "Operation:",
  commands: [
    {
      name: "status",
      usage: "",
      summary: "show the state and the size of each store, and the backlog",
      load: async () => (await import("../commands/status.ts")).statusCommand,
    },
    {
      name: "check",
      usage: "",
      summary: "compare the stores with the ledger; exits 1 when something differs, 2 when a store cannot be compared",
      load: async () => (await import("../commands/check.ts")).checkCommand,
    },
    {
      name: "repair",
      usage: "",
      summary:
        "publish the backlog, check, repair each difference, and verify each repair by reading back; exits 1 while differences remain",
      load: async () => (await import("../commands/repair.ts")).repairCommand,
    },
    {
      name: "reembed",
      usage: "",
      summary:
        "give memories vectors of the configured embedder, into an index folder of its own, while nodes of the former " +
        "model serve; exits 1 while some are left",
      load: async () => (await import("../commands/reembed.ts")).reembedCommand,
    },
    {
      name: "connector",
      usage: "[action] [argument...]",
      actions: [
        ...[
          "list",
          "add",
          "replace",
          "show",
          "remove",
          "status",
          "test",
          "sync",
          "backfill",
          "runs",
          "watch",
          "pause",
          "resume",
        ],
        ...["cancel", "reset", "dead-letters", "media"],
      ],
      summary:
        "connectors to other services: list, add <id> <definition>, status <id>, sync <id> (--wait exits 3 where a part failed), " +
        "backfill, runs, cancel, dead-letters list|replay|drop <id>, media <id> <sha256>",
      load: async () => (await import("../commands/connector.ts")).connectorCommand,
    },
    {
      name: "conflicts",
      usage: "[action] [id]",
      actions: ["list", "show", "resolve"],
      summary:
        "list conflicts that await a decision, show both sides (show <id>), decide (resolve <id>); exits 1 while one is pending",
      load: async () => (await import("../commands/conflicts.ts")).conflictsCommand,
    },
    {
      name: "queue",
      usage: "[action]",
      actions: ["list", "retry", "drop", "pause", "resume"],
      summary:
        "list unpublished changes (exits 1 while there are dead letters); retry or drop dead letters; pause, resume",
      load: async () => (await import("../commands/queue.ts")).queueCommand,
    },
    {
      name: "subscription",
      usage: "[action] [argument...]",
      actions: [
        ...["list", "show", "add", "replace", "delete", "pause", "resume"],
        ...["rotate-secret", "test", "dead-letters", "replay", "drop"],
      ],
      summary:
        "webhooks: list (exits 1 while one is paused by its receiver), show <id>, add <url>, replace <id> [url], delete, pause, resume, rotate-secret, test, dead-letters, replay, drop <id>",
      load: async () => (await import("../commands/subscription.ts")).subscriptionCommand,
    },
    {
      name: "device",
      aliases: ["devices"],
      usage: "[action] [device]",
      actions: ["list", "show", "revoke", "admit"],
      summary: "edges that push to this hub: list them; show, revoke or admit again one",
      load: async () => (await import("../commands/device.ts")).deviceCommand,
    },
    {
      name: "replica",
      usage: "[action] [id]",
      actions: ["status", "pause", "resume", "retry", "dead-letters", "drop", "verify", "backfill", "promote"],
      summary:
        "the second database: status, pause, resume, dead-letters, retry or drop [id], verify (exits 1 when something differs), " +
        "backfill, promote (makes it a ledger when the primary is lost)",
      load: async () => (await import("../commands/replica.ts")).replicaCommand,
    },
    {
      name: "store",
      usage: "[action] [id]",
      actions: ["list", "show", "forget"],
      summary: "list the shared stores of the deployment; show one; forget one that no node runs any more",
      load: async () => (await import("../commands/store.ts")).storeCommand,
    },
  ],
};
