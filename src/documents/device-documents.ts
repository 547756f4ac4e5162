import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import type { Device } from "../hub/devices.ts";
import { count, instant } from "./fields.ts";

/** Devices of the hub, as HTTP and `--json` show them. */

export const deviceDocumentSchema = lazily(() =>
  z
    .strictObject({
      device: z.string().describe("Its id"),
      name: z.string().nullable().describe("What people call it"),
      owner: z.string().describe("Of the key that it used last"),
      state: z.enum(["active", "revoked"]),
      firstSeenAt: instant(),
      lastSeenAt: instant(),
      readAt: instant().nullable().describe("When it read changes last; null: never"),
      behindSeconds: z
        .number()
        .nullable()
        .describe("Age of the oldest change that it was not told of; null: it has not read since the ledger went back"),
      unsettled: count().describe("Applied changes whose answers are kept for it"),
      revokedAt: instant().nullable(),
    })
    .meta({ id: "Device" }),
);
true satisfies Device extends z.output<ReturnType<typeof deviceDocumentSchema>> ? true : never;

export const devicesSchema = lazily(() =>
  z
    .strictObject({
      devices: z.array(deviceDocumentSchema()).describe("In the order of their ids"),
      after: z.string().nullable().describe("Where the next page begins; null: there is none"),
    })
    .meta({ id: "Devices" }),
);
