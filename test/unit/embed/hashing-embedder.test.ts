import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { AbortedError, ConfigurationError } from "../../../src/domain/errors.ts";
import { HashingEmbedder } from "../../../src/embed/hashing-embedder.ts";
import { cosine, norm, one, PINNED_TEXT, rank, sha256 } from "./support.ts";

const NEVER = new AbortController().signal;

/** A change of any of these is another model: old vectors and new ones would no longer be comparable. */
describe("known answers of mnemosync-hash-v1", () => {
  test("components of a short text in 8 dimensions", async () => {
    const vector = await one(new HashingEmbedder({ dimension: 8 }), "The cat sat.");
    expect([...vector]).toEqual(PINNED_COMPONENTS);
  });

  test("the bytes of a text with every kind of feature in 384 dimensions", async () => {
    expect(sha256(await one(new HashingEmbedder(), PINNED_TEXT))).toBe(PINNED_SHA256);
  });

  test("another process computes the same bytes", async () => {
    const script = fileURLToPath(new URL("./print-pinned-sha256.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script]);
    expect(stdout.trim()).toBe(PINNED_SHA256);
  });

  test("the model's name tells the dimension", () => {
    expect(new HashingEmbedder().model).toBe("mnemosync-hash-v1-384");
    expect(new HashingEmbedder({ dimension: 8 }).model).toBe("mnemosync-hash-v1-8");
  });
});

const PINNED_COMPONENTS = [
  0.2887348234653473, 0.17053143680095673, 0.34106287360191345, 0.6683440208435059, -0.34106287360191345,
  -0.34106287360191345, 0.2506290078163147, 0.17053143680095673,
];
const PINNED_SHA256 = "aa3cbe085dab6b665028e8212cb4dd6b3ad6a79877c4dfe0e4433b4dc97c12c8";

describe("any text has a unit vector", () => {
  const embedder = new HashingEmbedder();

  test.each([
    ["one letter", "a"],
    ["CJK", "佳怡最喜欢的早餐是豆浆和刚出锅的油条。"],
    ["Thai", "ภาษาไทยไม่มีช่องว่างระหว่างคำ"],
    ["emoji only", "🎉👍🏽👨‍👩‍👧🇨🇱"],
    ["combining marks", "e\u0301 n\u0303 ಪ್ರಿಯಾ"],
    ["a mark without a letter", "\u0301"],
    ["a lone surrogate", "a\ud800b \udc00"],
    ["NUL characters", "\0\0"],
    ["one word of 10,000 letters", "ab".repeat(5000)],
    ["a compatibility form that grows 18-fold", "\ufdfa".repeat(1000)],
  ])("%s", async (_, text) => {
    const vector = await one(embedder, text);
    expect(vector).toHaveLength(384);
    expect(norm(vector)).toBeCloseTo(1, 6);
  });

  test("texts without letters, digits and emoji share one reserved vector", async () => {
    const [empty, spaces, punctuation, letter] = await embedder.embed(["", " \n\t", "?!… — «»", "a"], NEVER);
    expect(norm(empty!)).toBeCloseTo(1, 6);
    expect(spaces).toEqual(empty);
    expect(punctuation).toEqual(empty);
    expect(letter).not.toEqual(empty);
  });

  test("in one dimension, where features cancel out, every text still has length 1", async () => {
    const texts = Array.from({ length: 200 }, (_, index) => `w${index} v${index * 7}`);
    const vectors = await new HashingEmbedder({ dimension: 1 }).embed(texts, NEVER);
    expect(new Set(vectors.map((vector) => Math.abs(vector[0]!)))).toEqual(new Set([1]));
  });

  test("1 MiB goes through, and differs from the same text without its last word", async () => {
    const text = "The quick brown fox jumps over three lazy dogs. ".repeat(22_000).slice(0, 1_048_570);
    const [without, full] = await embedder.embed([text, `${text} finis`], NEVER);
    expect(norm(full!)).toBeCloseTo(1, 6);
    expect(full).not.toEqual(without);
    expect(cosine(full!, without!)).toBeGreaterThan(0.99);
  });
});

describe("likeness", () => {
  const embedder = new HashingEmbedder();
  const likeness = async (a: string, b: string) => {
    const [left, right] = await embedder.embed([a, b], NEVER);
    return cosine(left!, right!);
  };

  test("case, punctuation, spacing and compatibility forms do not count", async () => {
    expect(await likeness("Don’t PANIC, Arthur!", "don't   panic arthur")).toBeGreaterThan(0.95);
    expect(await likeness("ﬁle Ｎｏ．１", "file no 1")).toBeCloseTo(1, 6);
    expect(await likeness("Café Zoë", "Cafe\u0301 Zoe\u0308")).toBeCloseTo(1, 6);
  });

  test("inflected and misspelt words stay close, other words do not", async () => {
    expect(await likeness("she photographed lighthouses", "she photographs a lighthouse")).toBeGreaterThan(0.25);
    expect(await likeness("penicillin allergy", "penicilin alergy")).toBeGreaterThan(0.3);
    expect(Math.abs(await likeness("penicillin allergy", "ferry timetable"))).toBeLessThan(0.2);
  });

  test("the order of words counts, a little", async () => {
    const reordered = await likeness("the dog bit the postman", "the postman bit the dog");
    expect(reordered).toBeGreaterThan(0.5);
    expect(reordered).toBeLessThan(0.95);
  });

  test("a short query finds a word inside a Chinese sentence", async () => {
    const texts = ["佳怡最喜欢的早餐是豆浆和油条", "她每天晚上只听广播", "台南又下了一整天的雨"];
    expect(await rank(embedder, "早餐", texts)).toEqual([0, expect.anything(), expect.anything()]);
    expect((await rank(embedder, "广播", texts))[0]).toBe(1);
    expect((await rank(embedder, "台南", texts))[0]).toBe(2);
  });

  test("words next to Chinese characters are found", async () => {
    const texts = ["新しいGPU搭載のパソコン", "新しい自転車のタイヤ"];
    expect((await rank(embedder, "gpu", texts))[0]).toBe(0);
  });

  test("an emoji finds the message that holds it, whatever its skin tone", async () => {
    expect((await rank(embedder, "👍", ["see you tomorrow", "fine by me 👍🏽", "not today 🍚"]))[0]).toBe(1);
  });

  test("a phrase out of a sample memory finds that memory first", async () => {
    const texts = sampleContents();
    const vectors = await embedder.embed(texts, NEVER);
    const queries = texts.flatMap((text, source) => {
      const words = text.split(" ");
      // Windows of five words, one starting at every third word.
      return words.length < 8 ? [] : windows(words, 5, 3).map((phrase) => ({ phrase, source }));
    });
    const asked = await embedder.embed(
      queries.map(({ phrase }) => phrase),
      NEVER,
    );
    const found = queries.filter(({ source }, query) => best(asked[query]!, vectors) === source);
    expect(queries.length).toBeGreaterThan(800);
    expect(found.length / queries.length).toBeGreaterThan(0.97);
  });
});

describe("batches", () => {
  test("keep their order, and a text's vector does not depend on its neighbours", async () => {
    const embedder = new HashingEmbedder({ dimension: 64 });
    const texts = sampleContents();
    const together = await embedder.embed(texts, NEVER);
    for (const [index, text] of texts.entries()) expect(together[index]).toEqual(await one(embedder, text));
    expect(new Set(together.map(sha256)).size).toBe(texts.length);
  });

  test("that overlap do not disturb each other", async () => {
    const embedder = new HashingEmbedder({ dimension: 32 });
    const long = "one two three ".repeat(40_000); // Long enough to pause in the middle.
    const [first, second] = await Promise.all([embedder.embed([long, "a"], NEVER), embedder.embed([long, "b"], NEVER)]);
    expect(second[0]).toEqual(first[0]);
    expect(second[1]).toEqual(await one(embedder, "b"));
  });

  test("of nothing are nothing", async () => {
    expect(await new HashingEmbedder().embed([], NEVER)).toEqual([]);
  });

  test("let the event loop turn while they work", async () => {
    let turns = 0;
    let done = false;
    const turn = () => {
      turns += 1;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    await new HashingEmbedder().embed(
      Array.from({ length: 5000 }, (_, index) => `memory number ${index} `.repeat(10)),
      NEVER,
    );
    done = true;
    expect(turns).toBeGreaterThan(5);
  });

  test("stop when the caller aborts, in the middle of a text as well", async () => {
    const embedder = new HashingEmbedder();
    await expect(embedder.embed(["a"], AbortSignal.abort())).rejects.toThrow(AbortedError);
    const controller = new AbortController();
    const running = embedder.embed(["one two three ".repeat(70_000)], controller.signal);
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(running).rejects.toMatchObject({ code: "ABORTED", cause: new Error("enough") });
    expect(norm(await one(embedder, "still fine"))).toBeCloseTo(1, 6);
  });
});

test.each([0, -1, 1.5, Number.NaN, 65_537])("a dimension of %s is refused", (dimension) => {
  expect(() => new HashingEmbedder({ dimension })).toThrow(ConfigurationError);
});

function sampleContents(): string[] {
  const file = new URL("../../../samples/memories.jsonl", import.meta.url);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => (JSON.parse(line) as { content: string }).content);
}

function windows(words: readonly string[], size: number, step: number): string[] {
  const phrases: string[] = [];
  for (let start = 0; start + size <= words.length; start += step) {
    phrases.push(words.slice(start, start + size).join(" "));
  }
  return phrases;
}

function best(query: Float32Array, vectors: readonly Float32Array[]): number {
  const scores = vectors.map((vector) => cosine(query, vector));
  return scores.indexOf(Math.max(...scores));
}
