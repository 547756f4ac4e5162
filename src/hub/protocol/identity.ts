import * as z from "zod";
import { textFlaw } from "../../domain/json.ts";
import { lazily } from "../../domain/lazily.ts";
import { changeKeySchema, deviceSchema, epochSchema } from "./change-key.ts";

/** Versions of the protocol that this program speaks, the newest first. */
export const PROTOCOL_VERSIONS = [1] as const;

/** Path of each call below the hub's address. */
export const HUB_PATHS = {
  identify: "/v1/hub/identify",
  push: "/v1/hub/push",
  changes: "/v1/hub/changes",
} as const;

export const DEVICE_NAME_LENGTH_MAX = 128;

/** Body of `POST /v1/hub/identify`. */
export const identifySchema = lazily(() =>
  z
    .strictObject({
      device: deviceSchema(),
      name: z
        .string()
        .min(1)
        .max(DEVICE_NAME_LENGTH_MAX)
        .refine((name) => textFlaw(name) === null, "contains a NUL character or half of a character")
        .optional()
        .describe("What people call the device, e.g. its host name. Shown by `mnemosync device list`"),
      protocolVersions: z.array(z.int().positive()).min(1).max(16).describe("Versions that the device speaks"),
    })
    .meta({ id: "HubIdentify" }),
);
export type Identify = z.output<ReturnType<typeof identifySchema>>;

/** Bounds of what the hub takes in one call. Bytes are those of the body as JSON, before compression. */
export const hubLimitsSchema = lazily(() =>
  z.strictObject({
    pushChangesMax: z.int().positive(),
    pushBytesMax: z.int().positive(),
    contentBytesMax: z.int().positive(),
    metadataBytesMax: z.int().positive(),
    memoryIdBytesMax: z.int().positive(),
    pageChangesMax: z.int().positive(),
    waitMsMax: z.int().nonnegative(),
  }),
);
export type HubLimits = z.output<ReturnType<typeof hubLimitsSchema>>;

/** Answer of `identify`. */
export const hubIdentitySchema = lazily(() =>
  z
    .strictObject({
      protocolVersion: z.int().positive().describe("The newest version that both sides speak"),
      epoch: epochSchema().describe("Names the history of the hub's ledger. Another one: the hub went back, resync"),
      now: z.number().describe("The hub's clock, in milliseconds since 1970"),
      limits: hubLimitsSchema(),
      device: z.strictObject({
        device: deviceSchema(),
        settledThrough: changeKeySchema()
          .nullable()
          .describe("Keys up to it are refused. Null: the device settled none"),
        cursor: z.string().nullable().describe("The cursor that the device asked with last. Null: none in this epoch"),
      }),
      namespaces: z.array(z.string()).nullable().describe("Namespaces that the key may see. Null: all"),
      canWrite: z.boolean(),
      vectors: z
        .strictObject({ dimension: z.int().positive(), model: z.string().nullable() })
        .nullable()
        .describe("The shape of embeddings that the hub takes. Null: it is not known here"),
    })
    .meta({ id: "HubIdentity" }),
);
export type HubIdentity = z.output<ReturnType<typeof hubIdentitySchema>>;
