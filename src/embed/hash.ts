/** 32-bit integer hashing over UTF-16 code units: the same bits on every machine, in every process. */

/** FNV-1a, 32 bit: where a hash starts, and what each step multiplies by. */
export const FNV_OFFSET = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;

/** MurmurHash3's finaliser: every input bit reaches every output bit, which FNV alone does not do for short inputs. */
export function finalise(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Hashes two hashes in their order: `combine(a, b)` and `combine(b, a)` differ. */
export function combine(first: number, second: number): number {
  return finalise(Math.imul(first, 0x9e3779b1) ^ second);
}

/** The finalised hash of a whole string, over its code units. */
export function hashString(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  return finalise(hash);
}
