import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { ULID_PATTERN } from "../../domain/ulid-text.ts";

/**
 * The idempotency key of a change: a ULID that is greater than every key that the device made before, as text. The hub keeps
 * the answers of keys beyond `settledThrough` and refuses the keys up to it, so a late copy of a settled change is never
 * applied. That is why the order counts: a clock that is put back must not make a smaller key.
 */
export const changeKeySchema = lazily(() => z.string().regex(ULID_PATTERN, "expected a ULID"));

export function isChangeKey(value: unknown): value is string {
  return typeof value === "string" && ULID_PATTERN.test(value);
}

/** Names a device: made once for a file, and never used for another one. A copied file must get a new name. */
export const DEVICE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
export const deviceSchema = lazily(() =>
  z.string().regex(DEVICE_PATTERN, "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
);

/** The name of a ledger's history. The hub asks PostgreSQL for it, which takes no NUL in a text. */
export const epochSchema = lazily(() =>
  z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
);

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;
/** Of a ULID's time: 2^48 - 1. */
const TIME_MAX = 281_474_976_710_655;

/**
 * The key behind `previous`, the last one that the device made: of this moment, or, where the clock stands still or was put
 * back, the next one.
 * @param previous as kept in the device's file, in the transaction that keeps the change; null: it made none.
 * @param nowMs milliseconds since 1970, of the device's clock.
 * @param random in [0, 1).
 * @throws {RangeError} No greater key exists.
 */
export function nextChangeKey(previous: string | null, nowMs: number, random: () => number): string {
  const time = encodedTime(Math.min(Math.max(0, Math.floor(nowMs)), TIME_MAX));
  if (previous === null || time > previous.slice(0, TIME_LENGTH)) return time + randomPart(random);
  return incremented(previous);
}

function encodedTime(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (let place = 0; place < TIME_LENGTH; place++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function randomPart(random: () => number): string {
  let text = "";
  // The first digit stays in the lower half, so that there is room to count on from each key.
  for (let place = 0; place < RANDOM_LENGTH; place++)
    text += ALPHABET.charAt(Math.floor(random() * (place === 0 ? 16 : 32)));
  return text;
}

function incremented(key: string): string {
  for (let place = key.length - 1; place >= 0; place--) {
    const digit = ALPHABET.indexOf(key.charAt(place));
    const isLast = digit === (place === 0 ? 7 : ALPHABET.length - 1);
    if (!isLast) return key.slice(0, place) + ALPHABET.charAt(digit + 1) + "0".repeat(key.length - 1 - place);
  }
  throw new RangeError("the device has used the greatest key that exists");
}

/** The greatest ULID below `key`. The least ULID of all has none: itself then, which no device ever makes. */
export function keyBefore(key: string): string {
  for (let place = key.length - 1; place >= 0; place--) {
    const digit = ALPHABET.indexOf(key.charAt(place));
    if (digit > 0) return key.slice(0, place) + ALPHABET.charAt(digit - 1) + "Z".repeat(key.length - 1 - place);
  }
  return key;
}
