import type { EffectiveOptions } from "../config/options.ts";
import { type JsonLimits, MEMORY_JSON_LIMITS } from "../domain/json-meter.ts";
import { PUSH_BYTES_MAX } from "../hub/protocol/push.ts";

/** How large the body of a request may be. Everything is counted while the body is read, and the first flaw ends it. */
export interface BodyLimits extends JsonLimits {
  /** Bytes of the body. Option `http.bodyBytesMax` lowers it. */
  readonly bytesMax: number;
}

/** For bodies of a few fields: a rollback, a check, a repair. */
export const ORDER_LIMITS: BodyLimits = {
  bytesMax: 65_536,
  depthMax: 16,
  valuesMax: 1_000,
  partsMax: 1_000,
  entriesMax: 1_000,
  fieldsMax: 100,
  nameBytesMax: 1_024,
};

/** For one memory. */
export const MEMORY_LIMITS: BodyLimits = { ...MEMORY_JSON_LIMITS, bytesMax: Number.POSITIVE_INFINITY };

/**
 * For many memories: 5,000 of 400 numbers and 80 texts each, or fewer and larger ones. At these limits parsing takes some
 * 300 ms on a quiet machine, half of it for the texts, so it is divided: a run has a memory at the limits of one, and those that
 * fill the slice before it.
 */
export const BATCH_LIMITS: BodyLimits = {
  ...MEMORY_LIMITS,
  valuesMax: 2_000_000,
  partsMax: 400_000,
  runValuesMax: 300_000,
  runPartsMax: 150_000,
};

/** For a push of a device: as many changes as the protocol takes, whose vectors are texts. */
export const PUSH_LIMITS: BodyLimits = { ...BATCH_LIMITS, bytesMax: PUSH_BYTES_MAX };

/** For a search: a text or a vector, and a filter of some fields. */
export const SEARCH_LIMITS: BodyLimits = {
  bytesMax: 8_388_608,
  depthMax: 8,
  valuesMax: 20_000,
  partsMax: 2_000,
  entriesMax: 16_384,
  fieldsMax: 1_000,
  nameBytesMax: 16_384,
};

/** The limits, lowered to what the options allow. */
export function limitsWithin(limits: BodyLimits, { bodyBytesMax }: EffectiveOptions["http"]): BodyLimits {
  return { ...limits, bytesMax: Math.min(limits.bytesMax, bodyBytesMax) };
}
