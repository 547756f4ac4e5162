import * as z from "zod";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";
import { milliseconds, SECRET, urlOf, wholeNumber } from "../domain/settings.ts";

/** Ways to decide a conflict between an edit made here and the state of the hub. */
export const CONFLICT_POLICIES = ["last_write_wins", "local_wins", "remote_wins", "merge", "manual"] as const;
export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** The edge: an agent's memories in one SQLite file. */
export const edgeSettings = z.strictObject({
  path: z.string().min(1).describe("The SQLite file. It is made where it does not exist; its folder must exist"),
  hub: urlOf((url) => new URL(url), ["http", "https", "postgres", "postgresql"])
    .optional()
    .describe(
      "Where the hub is, e.g. https://hub.example, or postgres://… for its database itself. Without it the edge works offline only",
    ),
  apiKey: z.string().min(1).optional().meta(SECRET).describe("The key that the hub gave this device"),
  deviceName: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("Name of this device in the hub's list of devices. Default: the name of the machine"),
  namespaces: z
    .array(z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED))
    .min(1)
    .max(100)
    .default(["default"])
    .describe("Namespaces that are kept here, as text separated by commas. Others are neither read nor written"),
  enabled: z.boolean().default(true).describe("Whether the edge talks to the hub at all. False: local only"),
  pushIntervalMs: milliseconds(100)
    .default(5_000)
    .describe("Milliseconds between two looks at the outbox. A local write is pushed at once"),
  pushBatchSize: wholeNumber(1, 500).default(50).describe("Changes of one push, at most"),
  pushBytesMax: wholeNumber(1_024, 8_388_608)
    .default(1_048_576)
    .describe("Bytes of one push, at most, before compression. A larger change goes alone"),
  attemptsMax: wholeNumber(1, 100)
    .default(5)
    .describe("Times that the hub may answer a change with `retry` before it counts as failed"),
  retryBaseMs: milliseconds(1)
    .default(1_000)
    .describe("Milliseconds of the longest wait after a first failure. It doubles with each further one"),
  retryMaxMs: milliseconds(1).default(300_000).describe("Milliseconds that no wait after a failure exceeds"),
  pullIntervalMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds between two looks at the hub; the waiting request brings changes at once"),
  pullPageSize: wholeNumber(1, 1_000).default(200).describe("Changes of one page, at most"),
  requestTimeoutMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds in which the hub must answer. A waiting request may take its waiting time longer"),
  conflictPolicy: z
    .enum(CONFLICT_POLICIES)
    .default("last_write_wins")
    .describe("Decides between an edit made here and the state of the hub"),
  preserveOriginals: z
    .boolean()
    .default(true)
    .describe("Whether the losing side of a conflict is also written as a file into conflictsDirectory"),
  conflictsDirectory: z
    .string()
    .min(1)
    .optional()
    .describe("Folder of the files of conflicts. Default: the path of the SQLite file with `.conflicts`"),
  synchronous: z
    .enum(["FULL", "NORMAL"])
    .default("FULL")
    .describe("FULL: an acknowledged write survives a power cut. NORMAL: it survives a crash of the program"),
  busyTimeoutMs: milliseconds(0, 60_000)
    .default(5_000)
    .describe("Milliseconds to wait for another process that writes to the file"),
  driver: z
    .enum(["auto", "node:sqlite", "libsql", "better-sqlite3"])
    .default("auto")
    .describe("The SQLite driver. auto: node:sqlite where Node has it, else libsql, else better-sqlite3"),
});

export type EdgeOptions = Omit<z.input<typeof edgeSettings>, "namespaces"> & {
  readonly namespaces?: readonly string[] | undefined;
};
export type EdgeSettings = z.output<typeof edgeSettings>;

/** Folder of the files of conflicts. */
export function conflictsFolder(options: Pick<EdgeOptions, "path" | "conflictsDirectory">): string {
  return options.conflictsDirectory ?? `${options.path}.conflicts`;
}
