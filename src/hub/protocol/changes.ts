import * as z from "zod";
import { ENDINGS } from "../../domain/ending.ts";
import { lazily } from "../../domain/lazily.ts";
import { changeKeySchema, deviceSchema, epochSchema } from "./change-key.ts";
import { wireMemorySchema } from "./wire-memory.ts";

const base = lazily(() => ({
  namespace: z.string(),
  memoryId: z.string(),
  version: z.int().nonnegative(),
  versionVector: z.record(z.string(), z.int().nonnegative()),
  modifiedAt: z.number().describe("Milliseconds since 1970, by the hub's clock"),
  device: deviceSchema()
    .nullable()
    .describe("The device that wrote this version. Null: written at the hub, or not known any more"),
  key: changeKeySchema().nullable().describe("The key of the change that wrote it: a device knows its own"),
}));

const put = lazily(() =>
  z.strictObject({
    ...base(),
    kind: z.literal("put"),
    checksum: z.string().nullable().describe("Of the memory. Null of a redacted one: it would confirm a guess"),
    holder: z
      .boolean()
      .describe(
        "Of a redacted memory: whether the device that asks is the one that holds the content, which the hub never had. Then " +
          "what it holds stays; on any other device content, metadata and embedding go",
      ),
    memory: wireMemorySchema(),
  }),
);

const ended = lazily(() =>
  z.strictObject({
    ...base(),
    kind: z.enum(["deleted", "withdrawn"]),
    reason: z
      .enum(ENDINGS)
      .describe("erased: all that was kept of it goes, unsent changes, bases and conflicts included"),
  }),
);

/**
 * The state of a memory at the hub, as the device may see it. `deleted`: it has ended, as `reason` says. `withdrawn`: it is
 * not for this device any more, which forgets it; it may be told of a memory that the device never had.
 */
export const hubChangeSchema = lazily(() => z.discriminatedUnion("kind", [put(), ended()]).meta({ id: "HubChange" }));
export type HubChange = z.output<ReturnType<typeof hubChangeSchema>>;
export type HubPut = Extract<HubChange, { kind: "put" }>;
export type HubEnding = Exclude<HubChange, HubPut>;

/** Characters of a cursor, at most. */
export const CURSOR_LENGTH_MAX = 4_096;
/** Milliseconds that a request for changes may wait for a first one, at most. */
export const WAIT_MS_MAX = 30_000;
export const PAGE_CHANGES_MAX = 1_000;

export interface ChangesOptions {
  /** Changes at most, 1 … 1_000; fewer where they are large. */
  readonly limit: number;
  /** Milliseconds to wait for a first change: 0 … 30_000. */
  readonly waitMs: number;
  /** Only these of the key's namespaces. Null: all of them. */
  readonly namespaces: readonly string[] | null;
}

/** A page of changes, oldest first: of each memory the latest version only. */
export const changesPageSchema = lazily(() =>
  z
    .strictObject({
      epoch: epochSchema(),
      now: z.number().describe("The hub's clock, in milliseconds since 1970"),
      namespaces: z
        .array(z.string())
        .nullable()
        .describe(
          "Namespaces that the device is told of, null: all. Memories of any other are forgotten, unsent changes kept",
        ),
      changes: z.array(hubChangeSchema()),
      cursor: z.string().min(1).max(CURSOR_LENGTH_MAX).describe("Where to go on once the page is durable"),
      complete: z.boolean().describe("Whether nothing stood behind this page: the device is up to date"),
    })
    .meta({ id: "HubChanges" }),
);
export type ChangesPage = z.output<ReturnType<typeof changesPageSchema>>;
