const SLOTS_MIN = 1024; // A power of two; a chat message has some 400 features.

/**
 * Distinct features held at once. A text with more is folded in pages, which weighs a feature that recurs on many
 * pages a little higher and bounds the memory at 2 MiB.
 */
const FEATURES_MAX = 65_536;

/** Counts weighted features (32-bit hashes) and folds them into a vector. Reused from text to text. */
export class FeatureBag {
  /** Open addressing: index of the entry + 1, or 0. Kept at most half full. */
  #slots = new Int32Array(SLOTS_MIN);
  #hashes = new Int32Array(SLOTS_MIN / 2);
  #counts = new Int32Array(SLOTS_MIN / 2);
  #weights = new Float64Array(SLOTS_MIN / 2);
  #size = 0;

  /** Whether `fold` must be called before anything may be added: room for the features of one more token is left. */
  get full(): boolean {
    return this.#size > FEATURES_MAX;
  }

  add(hash: number, weight: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let entry = this.#slots[slot]!; entry !== 0; entry = this.#slots[slot]!) {
      if (this.#hashes[entry - 1] === (hash | 0)) {
        this.#counts[entry - 1]! += 1;
        this.#weights[entry - 1]! += weight;
        return;
      }
      slot = (slot + 1) & mask;
    }
    this.#hashes[this.#size] = hash;
    this.#counts[this.#size] = 1;
    this.#weights[this.#size] = weight;
    this.#slots[slot] = ++this.#size;
    if (this.#size === this.#hashes.length) this.#grow();
  }

  /**
   * Adds every feature to the component that its hash picks, with the sign that its hash picks, and empties the bag.
   * In order of insertion, so that the sums round alike everywhere.
   */
  fold(into: Float64Array): void {
    for (let entry = 0; entry < this.#size; entry++) {
      const hash = this.#hashes[entry]!;
      const count = this.#counts[entry]!;
      const weight = (this.#weights[entry]! / count) * dampened(count);
      into[(hash >>> 1) % into.length]! += hash & 1 ? weight : -weight;
    }
    this.clear();
  }

  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    this.#hashes = copied(this.#hashes, new Int32Array(capacity));
    this.#counts = copied(this.#counts, new Int32Array(capacity));
    this.#weights = copied(this.#weights, new Float64Array(capacity));
    this.#slots = new Int32Array(capacity * 2);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.#size; entry++) {
      let slot = this.#hashes[entry]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }
}

function copied<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * 1 + ln(count), the logarithm interpolated between powers of two: `Math.log` may differ in its last bit from engine to
 * engine, while this is exact arithmetic but for one multiplication.
 */
function dampened(count: number): number {
  const exponent = 31 - Math.clz32(count);
  const fraction = count / 2 ** exponent - 1;
  return 1 + Math.LN2 * (exponent + fraction);
}
