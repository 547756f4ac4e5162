/** How large a JSON document may be, beside its bytes. */
export interface JsonLimits {
  /** Levels of lists and objects within each other. */
  readonly depthMax: number;
  /** Values in all: texts, numbers, lists, objects and so on, each entry of a list and each field of an object. */
  readonly valuesMax: number;
  /**
   * Texts, names, lists and objects in all: the parts that a parser allocates memory for. 1.5 million texts in 13 MB took it
   * ten times as long as 13 MB of numbers.
   */
  readonly partsMax: number;
  /** Entries of one list. */
  readonly entriesMax: number;
  /** Fields of one object. */
  readonly fieldsMax: number;
  /** Bytes of a field's name, as it is spelled. */
  readonly nameBytesMax: number;
  /**
   * Values and parts of one run, where the document is cut (see `ListCuts`): what a parser takes without a turn for other work.
   * @default as many as in all
   */
  readonly runValuesMax?: number;
  readonly runPartsMax?: number;
}

/** The limit that a document breaks, and the message that names it. */
export interface JsonFlaw {
  readonly limit: keyof JsonLimits;
  readonly message: string;
}

/**
 * For the document of one memory. Metadata of 256 KiB has at most 131,072 values, and a vector 16,384 numbers. A level more
 * than metadata may have is left to the check that names the field.
 */
export const MEMORY_JSON_LIMITS: JsonLimits = {
  depthMax: 120,
  valuesMax: 200_000,
  partsMax: 100_000,
  entriesMax: 131_072,
  fieldsMax: 50_000,
  nameBytesMax: 16_384,
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const OPEN_LIST = 0x5b;

/** Bytes that count: 1 for each of `" { [ } ] , :`. All others are passed over outside of texts. */
const COUNTS = new Uint8Array(256);
for (const character of '"{}[],:') COUNTS[character.charCodeAt(0)] = 1;

/** Bytes of a text that are looked at one by one before a native search looks for its end. Most texts are shorter. */
const STEPPED_BYTES = 24;

/**
 * Cuts a list that a document is, or that a field of it has, into runs. It is told of the lists by the places of their bytes in
 * the document. All that is no part of a cut list is one more run.
 */
export interface ListCuts {
  /** @param place of the first byte behind the bracket. */
  open(place: number): void;
  /** @param place of a comma between two entries. @returns whether the list was cut there. */
  separate(place: number): boolean;
  /** @param place of the bracket. @returns whether the list was cut at all. */
  close(place: number): boolean;
}

/**
 * Counts the parts of a JSON document while its bytes arrive, before a parser builds anything of it: a parser's work and
 * memory grow with the number of values, not of bytes, and `[[],[],…` is twenty times as large in memory as on the wire.
 * It does not check the syntax: of a document that is no JSON the counts mean nothing, and the parser refuses it. UTF-8
 * needs no decoding, because the bytes of its longer characters are none of those that count.
 */
export class JsonMeter {
  readonly #limits: Required<JsonLimits>;
  readonly #cuts: ListCuts | null;
  /** Per level: commas since the list or object began. */
  readonly #commas: Uint32Array;
  /** Per level: 1 for an object. */
  readonly #isObject: Uint8Array;
  #depth = 0;
  #inText = false;
  #escaped = false;
  #textBytes = 0;
  #openers = 0;
  #texts = 0;
  #separators = 0;
  #flaw: JsonFlaw | null = null;
  /** Bytes before those that are being counted. */
  #before = 0;
  /** Values and parts that are no part of the current run. */
  #valuesElsewhere = 0;
  #partsElsewhere = 0;
  /** Values and parts before the list that may be cut. */
  #valuesAtOpen = 0;
  #partsAtOpen = 0;

  /** @param cuts null: the document is parsed in one run. */
  constructor(limits: JsonLimits, cuts: ListCuts | null = null) {
    const { runValuesMax = limits.valuesMax, runPartsMax = limits.partsMax } = limits;
    this.#limits = { ...limits, runValuesMax, runPartsMax };
    this.#cuts = cuts;
    this.#commas = new Uint32Array(limits.depthMax + 1);
    this.#isObject = new Uint8Array(limits.depthMax + 1);
  }

  /** Values so far, at most: an empty list counts as if it had an entry. */
  get values(): number {
    return 1 + this.#openers + this.#separators;
  }

  /** Texts, names, lists and objects so far. */
  get parts(): number {
    return this.#texts + this.#openers;
  }

  /** Counts the next bytes of the document. @returns the first flaw; from then on nothing is counted. */
  add(bytes: Uint8Array): JsonFlaw | null {
    const end = bytes.length;
    let at = 0;
    if (this.#inText) at = this.#passText(bytes, 0);
    for (; at < end && this.#flaw === null; at++) {
      const byte = bytes[at] as number;
      if (COUNTS[byte] === 0) continue;
      if (byte === QUOTE) {
        this.#inText = true;
        this.#textBytes = 0;
        this.#texts++;
        this.#count();
        at = this.#passText(bytes, at + 1) - 1;
      } else if (byte === COMMA) this.#separate(at);
      else if (byte === COLON) this.#endName();
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#open(byte === OPEN_OBJECT, at);
      else if (this.#depth > 0) this.#close(at);
    }
    this.#before += end;
    return this.#flaw;
  }

  /** @returns the place behind the text, or the end of the bytes where the text goes on. */
  #passText(bytes: Uint8Array, start: number): number {
    const end = bytes.length;
    const stepsEnd = Math.min(end, start + STEPPED_BYTES);
    let at = start;
    for (; at < stepsEnd; at++) {
      const byte = bytes[at];
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) return this.#endText(start, at);
    }
    while (at < end) {
      const quote = bytes.indexOf(QUOTE, at);
      const stop = quote < 0 ? end : quote;
      let run = stop;
      while (run > at && bytes[run - 1] === BACKSLASH) run--;
      const backslashes = stop - run + (run === at && this.#escaped ? 1 : 0);
      this.#escaped = backslashes % 2 === 1;
      at = stop;
      if (quote < 0) break;
      if (!this.#escaped) return this.#endText(start, at);
      this.#escaped = false; // The quote is part of the text.
      at++;
    }
    this.#textBytes += end - start;
    return end;
  }

  #endText(start: number, quote: number): number {
    this.#inText = false;
    this.#textBytes += quote - start;
    return quote + 1;
  }

  /** A colon stands behind the name of a field, which was the text before it. */
  #endName(): void {
    const { nameBytesMax } = this.#limits;
    if (this.#textBytes <= nameBytesMax) return;
    this.#found("nameBytesMax", `the name of a field is ${this.#textBytes} bytes long, and at most ${nameBytesMax}`);
  }

  #separate(at: number): void {
    this.#separators++;
    if (this.#mayCut() && this.#cuts?.separate(this.#before + at) === true) {
      this.#valuesElsewhere = this.values;
      this.#partsElsewhere = this.parts;
    }
    const { entriesMax, fieldsMax } = this.#limits;
    const commas = (this.#commas[this.#depth] as number) + 1;
    this.#commas[this.#depth] = commas;
    if (this.#isObject[this.#depth] === 1) {
      if (commas >= fieldsMax) this.#found("fieldsMax", `an object has more fields than the ${fieldsMax} that`);
    } else if (commas >= entriesMax) {
      this.#found("entriesMax", `a list has more entries than the ${entriesMax} that`);
    }
    this.#count();
  }

  #open(isObject: boolean, at: number): void {
    const { depthMax } = this.#limits;
    if (this.#depth >= depthMax) {
      this.#found("depthMax", `lists and objects are nested deeper than the ${depthMax} levels that`);
      return;
    }
    this.#openers++;
    this.#depth++;
    this.#commas[this.#depth] = 0;
    this.#isObject[this.#depth] = isObject ? 1 : 0;
    if (this.#mayCut()) {
      this.#cuts?.open(this.#before + at + 1);
      this.#valuesAtOpen = this.values;
      this.#partsAtOpen = this.parts;
    }
    this.#count();
  }

  #close(at: number): void {
    if (this.#mayCut() && this.#cuts?.close(this.#before + at) === true) {
      // What follows is in one run with what stood before the list.
      this.#valuesElsewhere = this.values - this.#valuesAtOpen;
      this.#partsElsewhere = this.parts - this.#partsAtOpen;
    }
    this.#depth--;
  }

  /** Whether the innermost list is the document itself, or a field of it. */
  #mayCut(): boolean {
    const depth = this.#depth;
    return depth <= 2 && depth > 0 && this.#isObject[depth] === 0 && (depth === 1 || this.#isObject[1] === 1);
  }

  #count(): void {
    const { valuesMax, partsMax, runValuesMax, runPartsMax } = this.#limits;
    if (this.values > valuesMax) this.#found("valuesMax", `there are more values than the ${valuesMax} that`);
    if (this.parts > partsMax) {
      this.#found("partsMax", `there are more texts, names, lists and objects than the ${partsMax} that`);
    }
    if (this.values - this.#valuesElsewhere > runValuesMax) {
      this.#found("runValuesMax", `a part has more values than the ${runValuesMax} that`);
    }
    if (this.parts - this.#partsElsewhere > runPartsMax) {
      this.#found("runPartsMax", `a part has more texts, names, lists and objects than the ${runPartsMax} that`);
    }
  }

  #found(limit: keyof JsonLimits, message: string): void {
    this.#flaw ??= { limit, message: `${message} are allowed` };
  }
}
