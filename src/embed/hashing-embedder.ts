import { setImmediate } from "node:timers/promises";
import { AbortedError, ConfigurationError } from "../domain/errors.ts";
import { DEFAULT_DIMENSION } from "../domain/settings.ts";
import type { Embedder } from "./embedder.ts";
import { FeatureBag } from "./feature-bag.ts";
import { NOTHING_FEATURE, TextFeatures } from "./text-features.ts";
import { tokens } from "./words.ts";

const DIMENSION_MAX = 65_536;

/** Milliseconds for which `embed` may hold the event loop before it yields. */
const SLICE_MS = 5;
/** Code units of tokens between two readings of the clock within one text; some 0.3 ms. */
const UNITS_PER_LOOK = 1024;

export interface HashingEmbedderOptions {
  /**
   * Components of a vector, 1 to 65_536. Fewer mean more features per component and thus more accidental likeness: its
   * standard deviation is about 1/√dimension.
   * @default 384
   */
  dimension?: number | undefined;
}

/**
 * An embedder that needs no network, no model and no training: every feature of the text (words, word pairs and
 * triples, character n-grams) adds to the component that its hash picks, with the sign that its hash picks (Weinberger
 * et al. 2009, "Feature Hashing for Large Scale Multitask Learning"). Texts are alike when they share wording, spelling
 * or word stems; synonyms and translations are not recognised.
 *
 * The same text gives the same bits in every process and on every machine whose JavaScript engine knows the text's
 * characters (the Unicode version decides on case and compatibility forms of newly assigned ones). Vectors have length
 * 1. A text without any letter, digit or emoji gets one vector reserved for that.
 */
export class HashingEmbedder implements Embedder {
  readonly model: string;
  readonly dimension: number;
  /**
   * Likeness of these vectors is likeness of wording, without knowledge of which words are rare: they add nothing to the rank of a
   * memory that has the words, and find those that have misspelt or other forms of them. So words give the order of the first
   * places, and vectors that of the memories without any of the words. Chosen on every second one of 72 questions, the largest
   * weight (of 1, 0.5, 0.2, 0.1 … 0.01) at which no figure fell behind words alone; it held on the others (docs/library.md).
   */
  readonly hybridWeight = 0.01;
  /** A working set that no call uses at the moment: calls that overlap must not share one. */
  #spare: WorkingSet | undefined;

  /** @throws {ConfigurationError} `dimension` is not an integer within its bounds. */
  constructor({ dimension = DEFAULT_DIMENSION }: HashingEmbedderOptions = {}) {
    if (!Number.isInteger(dimension) || dimension < 1 || dimension > DIMENSION_MAX) {
      throw new ConfigurationError(`dimension: ${dimension} is not an integer from 1 to ${DIMENSION_MAX}`);
    }
    this.dimension = dimension;
    this.model = `mnemosync-hash-v1-${dimension}`;
  }

  /** Never rejects but for `signal`, and lets the event loop turn every 5 ms or so, also within one long text. */
  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    throwIfAborted(signal);
    const workingSet = this.#spare ?? new WorkingSet(this.dimension);
    this.#spare = undefined;
    let sliceEndsAt = performance.now() + SLICE_MS;
    const vectors: Float32Array[] = [];
    for (const text of texts) {
      for (const _ of workingSet.read(text)) {
        if (performance.now() < sliceEndsAt) continue;
        await setImmediate();
        throwIfAborted(signal); // The working set is dropped half-filled.
        sliceEndsAt = performance.now() + SLICE_MS;
      }
      vectors.push(workingSet.takeVector());
    }
    this.#spare = workingSet;
    return vectors;
  }
}

/** What one call to `embed` works with, from text to text. */
class WorkingSet {
  readonly #bag = new FeatureBag();
  readonly #features = new TextFeatures(this.#bag);
  readonly #sums: Float64Array;

  constructor(dimension: number) {
    this.#sums = new Float64Array(dimension);
  }

  /** Reads one text, and yields now and then and at the end: places where the caller may pause. */
  *read(text: string): Generator<void> {
    this.#features.begin();
    let units = 0;
    for (const token of tokens(text)) {
      this.#features.add(token);
      if (this.#bag.full) this.#bag.fold(this.#sums);
      units += token.text.length;
      if (units >= UNITS_PER_LOOK) {
        units = 0;
        yield;
      }
    }
    yield;
  }

  /** The unit vector of what was read; the working set is as new afterwards. */
  takeVector(): Float32Array {
    this.#bag.fold(this.#sums);
    let norm = Math.sqrt(sumOfSquares(this.#sums));
    if (norm === 0) {
      // No feature at all, or features that cancel out, as they may in very few dimensions.
      this.#bag.add(NOTHING_FEATURE, 1);
      this.#bag.fold(this.#sums);
      norm = 1;
    }
    const vector = new Float32Array(this.#sums.length);
    for (let index = 0; index < vector.length; index++) vector[index] = this.#sums[index]! / norm;
    this.#sums.fill(0);
    return vector;
  }
}

function sumOfSquares(values: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]! * values[index]!;
  return sum;
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new AbortedError("embedding", { cause: signal.reason });
}
