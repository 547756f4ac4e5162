import type { FeatureBag } from "./feature-bag.ts";
import { combine, FNV_OFFSET, FNV_PRIME, finalise, hashString } from "./hash.ts";
import type { Token } from "./words.ts";

// The weights below were tuned on 2,760 chat messages: random windows of 4 to 8 words, at 384 dimensions, for how often
// the message that the window was cut from comes first, also with a typo and with the words shuffled. Changing any of
// them, or a seed, changes every vector: that is another model, and another number in its name.

/**
 * By length in code units. Short words are frequent in every language (Zipf's law of abbreviation), so this stands in
 * for the document frequencies that an embedder without a corpus does not have.
 */
const WORD_WEIGHTS = [0, 0.25, 0.35, 0.5, 0.75, 0.9, 1];

/** Two and three words in a row, and two words with one between. Not by length: they tell "to be or not to be" apart. */
const PAIR_WEIGHT = 0.8;
const TRIPLE_WEIGHT = 0.7;
const SKIP_WEIGHT = 0.7;

/** Shared by all character n-grams of a word (their energy, not their sum), so that long words do not take over. */
const GRAMS_WEIGHT = 1;
const GRAM_UNITS_MIN = 3;
const GRAM_UNITS_MAX = 5;

/** Of the 1-, 2- and 3-grams of a script without spaces, where most words have one to three characters. */
const RUN_GRAM_WEIGHTS = [0.4, 1, 0.8];

const SYMBOL_WEIGHT = 0.8;

// Keep the kinds of features apart, so that the word "abc" and the n-gram "abc" land in different components.
const WORD_SEED = 0x6d6e_6501;
const GRAM_SEED = 0x6d6e_6502;
const TRIPLE_SEED = 0x6d6e_6503;
const SKIP_SEED = 0x6d6e_6504;
const RUN_SEED = 0x6d6e_6505;
const SYMBOL_SEED = 0x6d6e_6506;
const NOTHING_SEED = 0x6d6e_6507;

/** Marks where a word begins and ends, as in fastText: "<her>" has other n-grams than "where". Never part of a word. */
const BOUNDARY = 0x20;

/** The one feature of a text that has none, so that it still has a direction of its own. */
export const NOTHING_FEATURE = finalise(NOTHING_SEED);

/**
 * Turns tokens, given in order, into features: words, word pairs and triples, and character n-grams inside words
 * (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information").
 */
export class TextFeatures {
  readonly #bag: FeatureBag;
  readonly #units = new Uint16Array(256); // A token has at most 200 code units.
  /** Hashes of the last word and the one before; undefined at the start, and behind a script without spaces. */
  #previous: number | undefined;
  #beforePrevious: number | undefined;

  constructor(bag: FeatureBag) {
    this.#bag = bag;
  }

  /** Forgets the words before: what follows is another text. */
  begin(): void {
    this.#previous = undefined;
    this.#beforePrevious = undefined;
  }

  add(token: Token): void {
    if (token.kind === "word") {
      this.#addWord(token.text);
    } else if (token.kind === "run") {
      this.#addRun(token.text);
      this.begin();
    } else {
      this.#bag.add(combine(SYMBOL_SEED, hashString(token.text)), SYMBOL_WEIGHT);
    }
  }

  #addWord(word: string): void {
    const hash = hashString(word);
    const weight = WORD_WEIGHTS[Math.min(word.length, WORD_WEIGHTS.length - 1)]!;
    this.#bag.add(combine(WORD_SEED, hash), weight);
    this.#addGrams(word, GRAMS_WEIGHT * weight);
    if (this.#previous !== undefined) {
      this.#bag.add(combine(this.#previous, hash), PAIR_WEIGHT);
      if (this.#beforePrevious !== undefined) {
        const pairBefore = combine(this.#beforePrevious, this.#previous);
        this.#bag.add(combine(pairBefore ^ TRIPLE_SEED, hash), TRIPLE_WEIGHT);
        this.#bag.add(combine(this.#beforePrevious ^ SKIP_SEED, hash), SKIP_WEIGHT);
      }
    }
    this.#beforePrevious = this.#previous;
    this.#previous = hash;
  }

  /** One pass per start, the hash running on from the n-gram to the next longer one: no substring is ever made. */
  #addGrams(word: string, weight: number): void {
    const units = this.#units;
    const length = word.length + 2;
    units[0] = BOUNDARY;
    for (let index = 0; index < word.length; index++) units[index + 1] = word.charCodeAt(index);
    units[length - 1] = BOUNDARY;

    let grams = 0;
    for (let size = GRAM_UNITS_MIN; size <= GRAM_UNITS_MAX; size++) grams += Math.max(0, length - size + 1);
    const gramWeight = weight / Math.sqrt(grams);

    for (let start = 0; start + GRAM_UNITS_MIN <= length; start++) {
      const end = Math.min(start + GRAM_UNITS_MAX, length);
      let hash = GRAM_SEED;
      for (let index = start; index < end; index++) {
        hash = Math.imul(hash ^ units[index]!, FNV_PRIME);
        if (index - start >= GRAM_UNITS_MIN - 1) this.#bag.add(finalise(hash), gramWeight);
      }
    }
  }

  #addRun(run: string): void {
    for (let start = 0; start < run.length; start++) {
      const end = Math.min(start + RUN_GRAM_WEIGHTS.length, run.length);
      let hash = FNV_OFFSET ^ RUN_SEED;
      for (let index = start; index < end; index++) {
        hash = Math.imul(hash ^ run.charCodeAt(index), FNV_PRIME);
        this.#bag.add(finalise(hash), RUN_GRAM_WEIGHTS[index - start]!);
      }
    }
  }
}
