import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { STORE_ID_PATTERN } from "../domain/store-id.ts";

/** Fields that several documents share. Those with an id become `$defs` of a JSON schema and components of OpenAPI. */

export const count = lazily(() => z.number().int().nonnegative());

/** A version that a store may not have; null where it holds none. */
export const versionOrNull = lazily(() => z.number().int().positive().nullable());

export const instant = lazily(() =>
  z.iso.datetime().meta({ id: "Instant", description: "ISO-8601 in UTC, with milliseconds" }),
);

export const storeId = lazily(() =>
  z.string().regex(STORE_ID_PATTERN).meta({
    id: "StoreId",
    description: "postgres (the ledger), or the id of a registered store, e.g. redis or faiss",
  }),
);

/** Where one side of a conflict comes from. */
export const originId = lazily(() => storeId().describe("A store id, or import: the side that an import brought"));

export const versionVector = lazily(() =>
  z
    .record(z.string(), z.number())
    .meta({ id: "VersionVector", description: "Version vector: node id to the number of its writes" }),
);

export const json = lazily(() => z.record(z.string(), z.unknown()));

/** The fields that name a memory. */
export const memoryKey = lazily(() => ({ namespace: z.string(), memoryId: z.string() }));

export const errorFields = lazily(() =>
  z.strictObject({
    code: z.string().describe("Stable name of the error"),
    message: z.string(),
  }),
);

/** A time of the library (milliseconds since 1970) as documents have it (ISO-8601). */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : iso(milliseconds);
}
