import * as z from "zod";

/**
 * Building blocks of the settings. Each room declares its section, a zod object in its `settings.ts`: bounds, default and
 * description of every option, once. `config/options.ts` composes the sections.
 */

const DAY_MS = 86_400_000;

/** A duration: whole milliseconds, from `minimum` to one day. */
export function milliseconds(minimum: number, maximum = DAY_MS) {
  return wholeNumber(minimum, maximum);
}

/** A whole number from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER) {
  // As `.number().int().min().max()`, which makes a copy of the schema at each step: every start makes some 70 settings.
  return z.int().check(z.gte(minimum), z.lte(maximum));
}

/** The given options without those that are `undefined`, which count as absent. */
export function defined<Given extends object>(
  given: Given,
): { [Name in keyof Given]: Exclude<Given[Name], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

/** `true` where both types have the same fields, require the same ones, and the first one fits into the second. */
export type Fits<Narrow, Wide> = [Narrow, Required<Narrow>, keyof Wide] extends [Wide, Required<Wide>, keyof Narrow]
  ? true
  : never;

/**
 * Parses without compiled code: zod compiles each object's check for its first parse, which costs settings more than the parse,
 * as a process parses them once or twice.
 */
export const ONCE = { jitless: true } as const;

/** Marks an option whose value is never printed: not by `config`, not in a message. */
export const SECRET = { secret: true } as const;

/**
 * A URL of one of the protocols, several hosts allowed. It may contain a password, so messages don't repeat it.
 * @param parse throws where the URL is malformed.
 * @param otherwise a word that is accepted in place of a URL.
 */
export function urlOf(parse: (url: string) => unknown, protocols: readonly string[], otherwise?: string) {
  const begins = protocols.map((protocol) => `${protocol}://`).join(" or ");
  const expected = `expected a URL that begins with ${begins}${otherwise === undefined ? "" : `, or ${otherwise}`}`;
  return z
    .string()
    .superRefine((text, context) => {
      if (text === otherwise) return;
      const isKnown = protocols.includes(text.slice(0, text.indexOf("://")));
      const message = isKnown ? refusalOf(() => parse(text)) : expected;
      if (message !== null) context.addIssue({ code: "custom", message });
    })
    .meta(SECRET);
}

function refusalOf(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Numbers per vector where nothing else is configured. */
export const DEFAULT_DIMENSION = 384;

/** The largest memory that is accepted. Sizes are bytes of UTF-8. */
export const memorySettings = z.strictObject({
  contentBytesMax: wholeNumber(1, 67_108_864).default(1_048_576).describe("Bytes of a memory's content, at most"),
  metadataBytesMax: wholeNumber(2, 16_777_216)
    .default(262_144)
    .describe("Bytes of a memory's metadata as JSON, at most"),
  // The id is part of a Postgres index key, which holds some 2,700 bytes.
  memoryIdBytesMax: wholeNumber(1, 1_024).default(512).describe("Bytes of a memory's id, at most"),
});

/** Bounds of a memory, with their defaults filled in. */
export type MemoryBounds = z.output<typeof memorySettings>;
