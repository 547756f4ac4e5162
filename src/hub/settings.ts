import * as z from "zod";
import { milliseconds, wholeNumber } from "../domain/settings.ts";

const DAY_MS = 86_400_000;

/** The hub of edges, under `hub`. Quotas per second are kept by each node for itself. */
export const hubSettings = z.strictObject({
  devicesPerOwnerMax: wholeNumber(1, 100_000).default(1_000).describe("Devices of one owner of keys, at most"),
  changesPerSecondMax: wholeNumber(1, 1_000_000)
    .default(5_000)
    .describe("Changes that a device may push per second; ten seconds' worth at once"),
  ownerChangesPerSecondMax: wholeNumber(1, 1_000_000)
    .default(20_000)
    .describe("Changes that all devices of an owner may push per second; ten seconds' worth at once"),
  bytesPerSecondMax: wholeNumber(1_024)
    .default(8_388_608)
    .describe("Bytes that a device may push per second, before compression; ten seconds' worth at once"),
  claimsPerDeviceMax: wholeNumber(1_000, 10_000_000)
    .default(100_000)
    .describe("Applied changes of a device that it has not called settled, at most"),
  memoriesPerNamespaceMax: wholeNumber(1)
    .optional()
    .describe("Memories of a namespace up to which devices may add new ones; without it there is no limit"),
  tombstoneHoldMs: milliseconds(60_000, 3_650 * DAY_MS)
    .default(60 * DAY_MS)
    .describe(
      "Milliseconds for which a device that does not call keeps deletions from being pruned; one that stays away for longer must read everything anew",
    ),
});

export type HubSettings = z.output<typeof hubSettings>;
