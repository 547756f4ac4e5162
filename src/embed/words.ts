/**
 * What a text is made of. `word`: letters, digits and marks of a script that puts spaces between words. `run`: a stretch
 * of a script that does not (Chinese, Japanese, Thai, …), whose words cannot be told apart without a dictionary.
 * `symbol`: one emoji or flag.
 */
export type Token = { readonly kind: "word" | "run" | "symbol"; readonly text: string };

/**
 * Code units normalised at a time, so that a text of a mebibyte is walked in steps of well under a millisecond rather
 * than normalised in one go. Cut after white space, where neither NFKC nor lower-casing looks across.
 */
const WINDOW_UNITS_MAX = 8192;

/**
 * At most 64 code points a token: longer ones (Base64, `aaaa…`) go in pieces. An English contraction stays one word
 * (`don't`, however its apostrophe is typed), an elided article does not (`l'histoire`). Skin tones and variation
 * selectors fall away.
 */
const TOKEN =
  /\p{Regional_Indicator}{2}|\p{Extended_Pictographic}|[\p{L}\p{N}][\p{L}\p{N}\p{M}]{0,63}(?:'\p{L}{1,2}(?![\p{L}\p{N}\p{M}]))?/gu;
const SYMBOL_START = /^[\p{Regional_Indicator}\p{Extended_Pictographic}]/u;

const UNSPACED =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\u30fc\\p{Script=Bopomofo}\\p{Script=Yi}" +
  "\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}\\p{Script=Tibetan}";
const UNSPACED_START = new RegExp(`^[${UNSPACED}]`, "u");
/** Tells the two sides of `GPU搭載` apart. A mark stays with what it follows. */
const UNSPACED_OR_SPACED = new RegExp(`[${UNSPACED}][${UNSPACED}\\p{M}]*|[^${UNSPACED}]+`, "gu");

/**
 * The tokens of `text` in order, after NFKC and lower-casing; punctuation and white space only separate. Any string will
 * do, lone surrogates included. No token is longer than 200 code units.
 */
export function* tokens(text: string): Generator<Token> {
  for (let start = 0; start < text.length; ) {
    const end = windowEnd(text, start);
    const window = text.slice(start, end).normalize("NFKC").toLowerCase().replaceAll("’", "'");
    for (const [match] of window.matchAll(TOKEN)) yield* classified(match);
    start = end;
  }
}

function windowEnd(text: string, start: number): number {
  const end = start + WINDOW_UNITS_MAX;
  if (end >= text.length) return text.length;
  const space = Math.max(text.lastIndexOf(" ", end - 1), text.lastIndexOf("\n", end - 1));
  if (space > start) return space + 1;
  const splitsPair = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return splitsPair ? end - 1 : end;
}

function* classified(match: string): Generator<Token> {
  if (isPlain(match)) {
    yield { kind: "word", text: match };
  } else if (SYMBOL_START.test(match)) {
    yield { kind: "symbol", text: match };
  } else {
    for (const [part] of match.matchAll(UNSPACED_OR_SPACED)) {
      yield { kind: UNSPACED_START.test(part) ? "run" : "word", text: part };
    }
  }
}

/** Whether all of it lies below the first unspaced script (Thai) and is no © or ®: most of the world's text. */
function isPlain(match: string): boolean {
  for (let index = 0; index < match.length; index++) {
    const unit = match.charCodeAt(index);
    if (unit >= 0x0e00 || unit === 0xa9 || unit === 0xae) return false;
  }
  return true;
}
